"""Whether a selection wants a transaction, said once more without any index."""

from __future__ import annotations

from collections.abc import Set

from trio_stream.stream.selection import Selection


def wants(
    selection: Selection, asset_id: str, operation: str, public_keys: Set[str]
) -> bool:
    has = {
        "asset_id": {asset_id},
        "operation": {operation},
        "public_key": public_keys,
    }
    return all(has[name] & values for name, values in selection.filters.items())
