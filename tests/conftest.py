"""What more than one test file uses."""

from __future__ import annotations

from pathlib import Path

VECTORS = Path(__file__).parent / "vectors"
"""Recorded facts of the reference: transactions, chains, wire messages, answers."""
