"""What programs may use is found where it is looked for, and what that names is public too."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator

import pytest

import trio_stream
from trio_stream import client

OURS = "trio_stream."


def test_the_client_is_found_in_the_package() -> None:
    program = "import trio_stream; print(trio_stream.client.open_stream.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (done.stdout, done.stderr) == (b"open_stream\n", b"")


def test_the_package_loads_no_client_by_itself() -> None:
    program = "import sys, trio_stream; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert b"trio" not in done.stdout.split()


def test_the_package_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="module 'trio_stream' has no attri.*'x'"):
        trio_stream.x  # noqa: B018  # type: ignore[attr-defined]


def test_the_client_has_what_it_names() -> None:
    assert sorted(client.__all__) == client.__all__
    for name in client.__all__:
        getattr(client, name)


def test_each_option_is_described() -> None:
    described = re.findall(
        r"^ +((?:\w+, )*\w+)(?:  |$)", str(client.Options.__doc__), re.M
    )
    assert set(", ".join(described).split(", ")) == client.Options.__optional_keys__


@pytest.mark.parametrize("name", client.__all__)
def test_public_signatures_name_nothing_private(name: str) -> None:
    public = [getattr(client, each) for each in client.__all__]
    assert [
        each for each in types_in(getattr(client, name)) if each not in public
    ] == []


def types_in(thing: object) -> Iterator[object]:
    """The types of ours in the signature of a function, or of a class's public methods."""
    if inspect.isclass(thing):
        methods = [each for key, each in vars(thing).items() if not key.startswith("_")]
        for each in methods:
            if inspect.isfunction(each):
                yield from types_in(each)
        yield from ours(typing.get_type_hints(thing))
    elif inspect.isfunction(thing):
        # The wrapper of a context manager has the hints of what it wraps.
        wrapped = inspect.unwrap(thing)
        yield from ours(typing.get_type_hints(wrapped))


def ours(hints: dict[str, object]) -> Iterator[object]:
    for hint in hints.values():
        yield from _within(hint)


def _within(hint: object) -> Iterator[object]:
    if isinstance(hint, type) and not isinstance(hint, types.GenericAlias):
        if hint.__module__.startswith(OURS):
            yield hint
    for each in typing.get_args(hint):
        yield from _within(each)
