"""A daemon whose checks admit whatever is valid in a block.

BigchainDB's did, and so may any proposer.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from scripts.daemon_process import Settings
from trio_stream.__main__ import main
from trio_stream.ledger import checks
from trio_stream.transactions.rules import validate


class Careless(Settings):
    """Starts such a daemon."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", __name__, *self.arguments_of_run()]


if __name__ == "__main__":
    with patch.object(checks, "admit", validate):
        sys.exit(main())
