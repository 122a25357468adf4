"""The replicated state machine: blocks of transactions and their hashes; pure."""
