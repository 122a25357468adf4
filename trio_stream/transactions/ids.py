"""The form of a transaction's id."""

from __future__ import annotations

import re
from typing import Final

ID: Final = re.compile(r"[0-9a-f]{64}")
"""SHA3-256 in hexadecimal; text of this form need not be the id of anything."""
