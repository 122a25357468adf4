"""What the engine's genesis file says, asked over a real socket."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.stub_rpc import StubRpc, http_answer, internal_error
from trio_stream.abci.messages import InitChain, Time, ValidatorUpdate
from trio_stream.engine.genesis import parse_genesis, read_genesis
from trio_stream.engine.rpc import ANSWER_LIMIT, EngineUnavailable

KEY = bytes(range(32))
VALIDATOR = {
    "address": "AB",
    "pub_key": {
        "type": "tendermint/PubKeyEd25519",
        "value": base64.b64encode(KEY).decode(),
    },
    "power": "10",
    "name": "",
}
GENESIS: dict[str, Any] = {
    "genesis_time": "2026-11-28T06:12:00.5Z",
    "chain_id": "test-chain",
    "initial_height": "7",
    "validators": [VALIDATOR],
    "app_hash": "",
    "app_state": {"rules": 1},
}
SAID = InitChain(
    time=Time(1_795_846_320, 500_000_000),
    chain_id="test-chain",
    validators=(ValidatorUpdate("ed25519", KEY, 10),),
    app_state=b'{"rules": 1}',
    initial_height=7,
    signed=False,
)


def said(**changed: object) -> dict[str, Any]:
    return {"result": {"genesis": {**GENESIS, **changed}}}


def parsed(**changed: object) -> InitChain | None:
    return parse_genesis(json.dumps(said(**changed)).encode())


async def test_it_is_what_init_chain_would_say(stub: StubRpc) -> None:
    stub.answers.append(said())
    assert await read_genesis(stub.url) == SAID
    assert [call["method"] for call in stub.calls] == ["genesis"]


async def test_a_long_list_of_validators_is_read(stub: StubRpc) -> None:
    stub.answers.append(said(validators=[VALIDATOR] * 1_000))
    assert len((await read_genesis(stub.url)).validators) == 1_000
    assert len(json.dumps([VALIDATOR] * 1_000)) > 2 * ANSWER_LIMIT


@pytest.mark.parametrize(
    "answer", [internal_error("too large"), http_answer(b"hello"), None]
)
async def test_an_engine_that_does_not_say_is_unavailable(
    stub: StubRpc, answer: dict[str, Any] | bytes | None
) -> None:
    stub.answers.append(answer)
    with pytest.raises(EngineUnavailable, match=stub.url):
        await read_genesis(stub.url)


def test_what_older_releases_leave_out_has_its_default() -> None:
    for absent in ("0", None):
        assert parsed(initial_height=absent).initial_height == 1
    assert parsed(app_state=None).app_state == b""
    assert parsed(validators=None).validators == ()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01T00:00:00Z", Time(0, 0)),
        ("1970-01-01T00:00:00.000000001Z", Time(0, 1)),
        ("1970-01-01T02:00:00.25+02:00", Time(0, 250_000_000)),
        ("0001-01-01T00:00:00Z", Time(-62_135_596_800, 0)),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, time: Time) -> None:
    assert parsed(genesis_time=text).time == time


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("tendermint/PubKeySecp256k1", "secp256k1"),
        ("cometbft/PubKeyBls12_381", "bls12381"),
    ],
)
def test_keys_are_named_as_in_init_chain(type_: str, name: str) -> None:
    key = {"type": type_, "value": VALIDATOR["pub_key"]["value"]}  # type: ignore[index]
    found = parsed(validators=[{**VALIDATOR, "pub_key": key}])
    assert found.validators == (ValidatorUpdate(name, KEY, 10),)


@pytest.mark.parametrize(
    "changed",
    [
        {"genesis_time": "yesterday"},
        {"genesis_time": 7},
        {"genesis_time": "2026-13-28T06:12:00Z"},
        {"validators": [{**VALIDATOR, "power": "much"}]},
        {"validators": [{**VALIDATOR, "pub_key": {"type": "x", "value": "%"}}]},
        {"validators": [{}]},
        {"validators": 7},
        {"initial_height": [7]},
    ],
    ids=str,
)
def test_something_else_is_not_a_genesis_file(changed: dict[str, object]) -> None:
    assert parsed(**changed) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"[" * 100_000, b'{"result": 7}', b'{"result": {"genesis": []}}'],
)
def test_any_other_text_is_none(text: bytes) -> None:
    assert parse_genesis(text) is None
