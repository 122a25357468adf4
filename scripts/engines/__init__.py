"""Builds and runs the consensus engines."""
