"""Programs of others that read the log's file while the node has it.

They are children: a second copy of SQLite in the node's own process would take its locks from it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
Ask = Callable[[Path, str, Mapping[str, object]], Rows]

OPEN = """
import json, sqlite3, sys
log = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
log.row_factory = sqlite3.Row
def ask(sql, values=()):
    return [dict(row) for row in log.execute(sql, values)]
"""
_ONCE = OPEN + "print(json.dumps(ask(sys.argv[2], json.loads(sys.argv[3]))))"


def _output(*command: str, text: str = "") -> str:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr)
    return done.stdout


def python(path: Path, sql: str, values: Mapping[str, object]) -> Rows:
    """Python with the sqlite3 module that it brings."""
    text = _output(sys.executable, "-c", _ONCE, str(path), sql, json.dumps(values))
    rows: Rows = json.loads(text)
    return rows


def shell(path: Path, sql: str, values: Mapping[str, object]) -> Rows:
    """The sqlite3 program."""
    lines = [f".parameter set :{name} {value!r}" for name, value in values.items()]
    lines.append(f"{sql};")
    text = _output("sqlite3", "-readonly", "-json", str(path), text="\n".join(lines))
    # Where there are no rows it prints nothing.
    rows: Rows = json.loads(text or "[]")
    return rows


PROGRAMS: Mapping[str, Ask] = {
    "python": python,
    **({"shell": shell} if shutil.which("sqlite3") else {}),
}

COLUMNS: Mapping[str, str] = {
    "v1_blocks": "height time app_hash accepted refused first_sequence last_sequence",
    "v1_transactions": "sequence height block_index id operation asset_id tx_hash document",
    "v1_outputs": "sequence height transaction_id output_index asset_id amount condition_uri"
    " spent_by",
    "v1_output_keys": "public_key sequence output_index in_condition",
    "v2_output_keys": "public_key sequence output_index in_public_keys in_condition",
    "v1_assets": "sequence id data",
    "v1_metadata": "sequence id metadata",
    "v1_elections": "sequence height id operation tokens votes concluded_height status",
    "v1_refused": "sequence height block_index transaction_id tx_hash error reason",
}
"""Of the views: a promise. A name may come, none may go."""
