"""What users put into `asset.data` and `metadata`: names, languages, numbers, depth.

The rules for names and languages are the reference's, made for the database below
it. Those for depth and numbers are ours: the reference accepts such values and then
crashes when it stores the block, or its processes disagree about them. One walk over
each value finds everything; the reference's errors come first.
"""

from __future__ import annotations

from trio_stream.transactions.errors import (
    MAX_TEXT,
    IntegerOutOfRange,
    NestingTooDeep,
    Refusal,
    SubnormalDouble,
    ValidationError,
)
from trio_stream.transactions.quoting import say

MAX_DATA_DEPTH = 100
"""Levels of arrays and objects that the reference's database can store.

The value itself is the first level.
"""

LANGUAGES = frozenset(
    "danish dutch english finnish french german hungarian italian norwegian portuguese "
    "romanian russian spanish swedish turkish none "
    "da nl en fi fr de hu it nb pt ro ru es sv tr".split()
)
"""What a member named `language` may say."""

_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**63 - 1
_SMALLEST_NORMAL = 2.2250738585072014e-308


def check(data: object, metadata: object, *, languages: bool = True) -> None:
    """Raise the first error in the values of `asset.data` and `metadata`.

    Without `languages` a member of that name may have any value.
    """
    in_asset, in_metadata = _Survey(), _Survey()
    in_asset.walk(data, 1)
    in_metadata.walk(metadata, 1)
    for where, survey in ("asset", in_asset), ("metadata", in_metadata):
        if survey.bad_name is not None:
            raise ValidationError(
                f'Invalid key name "{survey.bad_name}" in {where} object. The key name '
                'cannot contain characters ".", "$" or null characters'
            )
    for survey in in_asset, in_metadata:
        if survey.bad_language and languages:
            raise ValidationError(
                "MongoDB does not support text search for the language "
                f'"{say(survey.bad_language[0], MAX_TEXT)}". If you do not understand this error '
                'message then please rename key/field "language" to something else '
                'like "lang".'
            )
    for survey in in_asset, in_metadata:
        if survey.bad_number is not None:
            raise survey.bad_number.error()


class _Survey:
    """The first fault of each kind in one value, in the order of the text."""

    bad_name: str | None = None
    bad_language: tuple[object, ...] = ()
    # Not an instance: once raised, it would refer to the frame that refers to this survey.
    bad_number: Refusal | None = None

    def walk(self, value: object, depth: int) -> None:
        """Look at a value on level `depth`, and at everything below it."""
        # Types are compared, not tested with isinstance: this is the inner loop, and
        # a bool is not an integer here.
        kind = type(value)
        if kind is dict:
            self._walk_object(value, depth)  # type: ignore[arg-type]  # just tested
        elif kind is list:
            _check_depth(depth)
            for item in value:  # type: ignore[attr-defined]  # just tested
                if type(item) is not str:
                    self.walk(item, depth + 1)
        elif kind is int:
            if not _MIN_INTEGER <= value <= _MAX_INTEGER:  # type: ignore[operator]
                self._keep(IntegerOutOfRange, f"{value} does not fit into 64 bits")
        elif kind is float:
            if value and abs(value) < _SMALLEST_NORMAL:  # type: ignore[arg-type]
                self._keep(SubnormalDouble, f"{value!r} is too close to zero")

    def _walk_object(self, value: dict[str, object], depth: int) -> None:
        _check_depth(depth)
        for name, item in value.items():
            if "." in name or "\0" in name or name[:1] == "$":
                if self.bad_name is None:
                    self.bad_name = name
            elif name == "language" and not self.bad_language:
                if type(item) is not str or item not in LANGUAGES:
                    self.bad_language = (item,)
            if type(item) is not str:
                self.walk(item, depth + 1)

    def _keep(self, kind: type[ValidationError], text: str) -> None:
        if self.bad_number is None:
            self.bad_number = Refusal(kind, text)


def _check_depth(depth: int) -> None:
    if depth > MAX_DATA_DEPTH:
        raise NestingTooDeep(f"more than {MAX_DATA_DEPTH} levels of data")
