"""Bodies as they are stored: cut apart and compressed.

What `block` and `block_results` said of one transaction is one body, so that it can be read without
its block, which may have thousands. What is left of both answers is the block's body. Put together
again they are what the node said, member by member. Small bodies compress badly by themselves;
they are compressed against words that occur in most of them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import rapidjson

from trio_stream.cometbft.fields import Members

LEVEL: Final = 6

SHORT: Final = 1024
"""Characters of a text for which a compressor is copied: to make one would take longer."""

# Part of the file's format. What is frequent stands last, where references to it are short.
WORDS: Final = (
    b'"last_block_id":{"hash":"","parts":{"total":1,"hash":""}},"validator_updates":null,"'
    b'consensus_param_updates":{"block":{"max_bytes":"22020096","max_gas":"-1"},"evidence"'
    b':{"max_age_num_blocks":"100000","max_age_duration":"172800000000000","max_bytes":"10'
    b'48576"},"validator":{"pub_key_types":["ed25519"]}},"evidence":{"evidence":[]},"last_'
    b'commit":{"height":"","round":0,"block_id":{"hash":""},"signatures":[{"block_id_flag"'
    b':2,"validator_address":"","timestamp":"","signature":""}]},"begin_block_events":[],"'
    b'end_block_events":[],"finalize_block_events":[{"type":"mint","attributes":[{"key":"b'
    b'onded_ratio","value":"","index":true},{"key":"inflation"},{"key":"annual_provisions"'
    b'}]},{"type":"commission"},{"type":"rewards"},{"key":"validator"},{"key":"minter"},{"'
    b'type":"burn"},{"key":"burner"},{"type":"proposer_reward"},{"type":"liveness"},{"type'
    b'":"update_client"},{"type":"recv_packet"},{"type":"send_packet"},{"key":"packet_src_'
    b'channel"},{"key":"packet_sequence"},{"key":"packet_src_port"},{"key":"packet_dst_cha'
    b'nnel"},{"type":"wasm","attributes":[{"key":"_contract_address"{"key":"mode","value":'
    b'"BeginBlock","index":true},{"key":"mode","value":"EndBlock","index":true},"dHlwZQ=="'
    b',"index":true},{"key":"c3BlbmRlcg==","value":"","index":true},{"key":"cmVjZWl2ZXI=",'
    b'"value":"","index":true},{"key":"cmVjaXBpZW50","value":"","index":true},{"key":"c2Vu'
    b'ZGVy","value":"","index":true},{"key":"YW1vdW50","value":"","index":true},{"key":"bW'
    b'9kdWxl","value":"YmFuaw==","index":true},{"key":"YWN0aW9u","value":"","index":true},'
    b'["",{"code":0,"data":null,"log":"","info":"","gas_wanted":"200000","gas_used":"","ev'
    b'ents":[{"type":"tx","attributes":[{"key":"fee","value":"","index":true},{"key":"fee_'
    b'payer","value":"","index":true}]},{"type":"tx","attributes":[{"key":"acc_seq","value'
    b'":"","index":true}]},{"type":"tx","attributes":[{"key":"signature","value":"","index'
    b'":true}]},{"type":"message","attributes":[{"key":"action","value":"/cosmos.bank.v1be'
    b'ta1.MsgSend","index":true},{"key":"sender","value":"cosmos1","index":true},{"key":"m'
    b'odule","value":"bank","index":true},{"key":"msg_index","value":"0","index":true}]},{'
    b'"type":"coin_spent","attributes":[{"key":"spender","value":"cosmos1","index":true},{'
    b'"key":"amount","value":"","index":true},{"key":"msg_index","value":"0","index":true}'
    b']},{"type":"coin_received","attributes":[{"key":"receiver","value":"cosmos1","index"'
    b':true},{"key":"amount","value":"","index":true},{"key":"msg_index","value":"0","inde'
    b'x":true}]},{"type":"transfer","attributes":[{"key":"recipient","value":"cosmos1","in'
    b'dex":true},{"key":"sender","value":"cosmos1","index":true},{"key":"amount","value":"'
    b'","index":true},{"key":"msg_index","value":"0","index":true}]}],"codespace":""}]'
)

# Of short texts, level 6 makes no more than level 5; windows and tables that fit are soon copied.
_READY: Final = zlib.compressobj(level=5, wbits=13, memLevel=6, zdict=WORDS)

_LISTS: Final = ("txs_results", "deliver_tx", "DeliverTx")


class Bodies(NamedTuple):
    """What is stored of a block."""

    block: bytes
    transactions: Sequence[bytes]


def cut(raw_block: Members, raw_results: Members) -> Bodies:
    """The bodies of what `block` and `block_results` answered."""
    place = _place(raw_results)
    txs = raw_block["block"]["data"].get("txs") or []
    results: Sequence[object] = []
    if place is not None:
        results = _at(raw_results, place)
        raw_results = _put(raw_results, place, [])
    if txs:
        raw_block = _put(raw_block, ("block", "data", "txs"), [])
    block = pack([raw_block, raw_results, place])
    return Bodies(block, [pack(each) for each in zip(txs, results, strict=True)])


def joined(block: bytes, transactions: Iterable[bytes]) -> tuple[Members, Members]:
    """What `block` and `block_results` answered."""
    raw_block, raw_results, place = unpack(block)
    pairs = [unpack(each) for each in transactions]
    if pairs:
        raw_block["block"]["data"]["txs"] = [tx for tx, _ in pairs]
        *path, name = place
        _at(raw_results, path)[name] = [result for _, result in pairs]
    return raw_block, raw_results


def pack(value: object) -> bytes:
    """A value of JSON in as few bytes as is quick."""
    try:
        text = rapidjson.dumps(value)
    except UnicodeEncodeError:
        # JSON can say half of a character, and Python's own writer too.
        text = json.dumps(value, separators=(",", ":"))
    if len(text) <= SHORT:
        compressing = _READY.copy()
    else:
        compressing = zlib.compressobj(LEVEL, zdict=WORDS)
    return compressing.compress(text.encode("ascii")) + compressing.flush()


def unpack(body: bytes) -> Any:
    """The value that was packed. Raises zlib.error or ValueError if the file is damaged."""
    expanding = zlib.decompressobj(zdict=WORDS)
    return json.loads(expanding.decompress(body) + expanding.flush())


def _place(raw_results: Members) -> Sequence[str] | None:
    """Where the results of transactions are, if there are any: up to 0.32 one level down."""
    nested = raw_results.get("results") or raw_results
    above = () if nested is raw_results else ("results",)
    # As the reader of results does: the first that is there counts, also if it is empty.
    name = next((name for name in _LISTS if nested.get(name) is not None), None)
    return None if name is None or not nested[name] else (*above, name)


def _at(raw: Any, path: Sequence[str]) -> Any:
    for name in path:
        raw = raw[name]
    return raw


def _put(raw: Mapping[str, Any], path: Sequence[str], value: object) -> Members:
    """The same with another value there; what is shared is not changed."""
    name, *rest = path
    return {**raw, name: _put(raw[name], rest, value) if rest else value}
