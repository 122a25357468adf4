"""What a BigchainDB transaction is, and when it is valid; pure."""
