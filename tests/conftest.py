"""What more than one test file uses."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings

VECTORS = Path(__file__).parent / "vectors"
"""Recorded facts of the reference: transactions, chains, wire messages, answers."""

# A busy machine is no fault of the code: examples have no deadline.
settings.register_profile("trio_stream", deadline=None)
settings.load_profile("trio_stream")
