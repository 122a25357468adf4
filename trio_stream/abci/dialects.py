"""Which of the eight dialects does this connection speak?

Two things must be known to talk to an engine, and both follow from its first message: the prefix
(`framing`) and, on signed connections, which of two numberings its requests have. Together they are
the codec. Tendermint up to 0.33 has the old numbers, everything later the new ones; unsigned always
means new.

The numbers overlap, but what an engine can send *first* does not: Info, a Flush, or something with
a structure that no first message of the other numbering has. The rules below look only at the
member's own fields. A transaction lies inside one of them, so no transaction can forge the verdict.
Both `header` and `last_commit_info` of BeginBlock are written even if all their fields are zero.

The name, T31 to C10, says more than the codec. It comes from Info, which other connections do not
see, or from fields that only some releases have; it is for the logs, and nothing that enters the
replicated state may depend on it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from trio_stream.abci.errors import RemoteProtocolError
from trio_stream.abci.framing import Framing, read_varint, split_tag
from trio_stream.abci.messages import Info

_VARINT, _FIXED64, _LEN, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_MAX_FIELDS = 20_000
"""How many fields of a first member are looked at, at most: twice the number of validators that an
engine allows, each of which is a field of InitChain."""

Fields = frozenset[tuple[int, int]]
"""The fields at the top level of a member: numbers with their wire types."""


class Codec(enum.Enum):
    """How bytes become requests; the value names the dialects that share it."""

    SIGNED_OLD = "T31-T33"
    SIGNED_NEW = "T34"
    UNSIGNED = "C37-C10"

    @property
    def framing(self) -> Framing:
        """The prefix in both directions."""
        return Framing.UNSIGNED if self is Codec.UNSIGNED else Framing.SIGNED


def detect_codec(framing: Framing, first: bytes) -> Codec:
    """The codec of a connection whose first message, without prefix, is `first`."""
    if framing is Framing.UNSIGNED:
        return Codec.UNSIGNED
    number, member = _only_member(first)
    # A number that neither numbering has is answered with an Exception in any case.
    is_new = _IS_NEW.get(number, _always)
    return Codec.SIGNED_NEW if is_new(_fields(member)) else Codec.SIGNED_OLD


def _always(fields: Fields) -> bool:
    return True


def _never(fields: Fields) -> bool:
    return False


def _is_empty(fields: Fields) -> bool:
    return not fields


def _has(number: int, wire_type: int) -> Callable[[Fields], bool]:
    return lambda fields: (number, wire_type) in fields


_IS_NEW: dict[int, Callable[[Fields], bool]] = {
    1: _always,  # new Echo; the old numbers begin at 2
    2: _is_empty,  # new Flush; old Echo carries text
    3: lambda fields: bool(fields),  # new Info is never empty; old Flush always is
    4: _has(2, _LEN),  # new SetOption; old Info has block_version there
    # new InitChain has initial_height in 6; old SetOption has 1 and 2 alone
    5: lambda fields: any(number not in (1, 2) for number, _ in fields),
    # new Query has height and prove there; old InitChain has messages in 3 and 4
    6: lambda fields: (not fields or (3, _VARINT) in fields or (4, _VARINT) in fields),
    # new BeginBlock has header and last_commit_info; old Query is never first
    7: lambda fields: (2, _LEN) in fields and (3, _LEN) in fields,
    # old BeginBlock has its header in 2; new CheckTx has at most a varint there
    8: lambda fields: (2, _LEN) not in fields,
    9: _never,  # old CheckTx; new DeliverTx is never first
    11: _is_empty,  # old EndBlock is not empty; neither is ever first
    12: _is_empty,  # new ListSnapshots; old Commit is never first
    19: _never,  # old DeliverTx
}


def _only_member(message: bytes) -> tuple[int, bytes]:
    """Number and contents of the one field that a request has."""
    tag = read_varint(message, 0)
    member = tag and read_varint(message, tag[1])
    if tag is None or member is None:
        raise RemoteProtocolError("the first message has no member")
    return split_tag(tag[0])[0], message[member[1] :]


def _fields(member: bytes) -> Fields:
    """The fields of a member, found without knowing its type."""
    found = set()
    offset = seen = 0
    while offset < len(member):
        seen += 1
        if seen > _MAX_FIELDS:
            raise RemoteProtocolError("the first message has too many fields")
        if (tag := read_varint(member, offset)) is None:
            raise RemoteProtocolError("the first message ends inside a tag")
        number, wire_type = split_tag(tag[0])
        offset = tag[1]
        if wire_type in _WIDTHS:
            offset += _WIDTHS[wire_type]
        elif wire_type in (_VARINT, _LEN):
            if (value := read_varint(member, offset)) is None:
                raise RemoteProtocolError("the first message ends inside a field")
            offset = value[1] + (value[0] if wire_type == _LEN else 0)
        else:
            raise RemoteProtocolError(
                "the first message has a field of an unknown type"
            )
        found.add((number, wire_type))
    if offset > len(member):
        raise RemoteProtocolError("the first message ends inside a field")
    return frozenset(found)


def name_from_info(codec: Codec, info: Info) -> str:
    """The dialect as far as Info reveals it: `T31` to `C10`, or the codec's range."""
    as_before = codec.value
    if codec is Codec.SIGNED_OLD:
        # 0.32.0 still speaks the dialect of 0.31. A git hash may follow the number.
        if info.version.startswith("0.31.") or info.version.split("-")[0] == "0.32.0":
            return "T31"
        return {"0.32.": "T32", "0.33.": "T33"}.get(info.version[:5], as_before)
    if codec is Codec.UNSIGNED:
        if info.abci_version == "2.0.0":
            # Only the text tells them apart; 0.40.0 calls itself 0.39.0.
            return "C39" if info.version[:5] in ("0.39.", "0.40.") else "C38"
        return {"1.0.0": "C37", "2.1.0": "C10"}.get(info.abci_version, as_before)
    return as_before
