"""A BigchainDB-compatible node whose commit-event stream loses nothing."""

__version__ = "0.1.0"
