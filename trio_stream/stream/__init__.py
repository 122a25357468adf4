"""What a subscriber is owed: positions, events and frames; pure."""
