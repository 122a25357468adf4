"""Bytes to ABCI messages and back, in every dialect; pure."""
