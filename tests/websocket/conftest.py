"""What more than one test file of this folder uses."""

from __future__ import annotations

import pytest

from tests.tls_contexts import Contexts, tls_contexts


@pytest.fixture(scope="session")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """For the server, and for clients who know its certificate."""
    return tls_contexts(tmp_path_factory.mktemp("tls"))
