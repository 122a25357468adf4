"""`trio-stream election`: open an election, approve it, and see how it stands.

Arguments and words are those of `bigchaindb election`. It asks the daemon at its HTTP server, and
signs with the validator's key, which does not leave this process. What succeeded is printed on
standard output, what failed on standard error. Status 0: done. 1: the node refuses, or does not
answer, or the vote could change nothing. 2: an argument, a setting or the key file cannot be used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from trio_stream.commands import voting
from trio_stream.commands.data import failed
from trio_stream.commands.flags import add_settings, settings_of
from trio_stream.commands.node_api import NodeApi, NodeSilent
from trio_stream.commands.token_file import add_token_file, read_token
from trio_stream.commands.validator_key import read_public_key, read_signer
from trio_stream.commands.voting import VotingError
from trio_stream.config import ConfigError

Act = Callable[[argparse.Namespace, NodeApi], None]
Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_to(commands: Actions) -> None:
    """Add the command, its actions and their arguments."""
    help = "open, approve or show an election, which changes the validators"
    actions = _group(commands, "election", "ACTION", help)
    kinds = _group(actions, "new", "ELECTION", "open an election")
    help = "propose that a validator joins, leaves, or gets another power"
    upsert = _add(kinds, "upsert-validator", _new_validator, help)
    upsert.add_argument(
        "key",
        metavar="PUBLIC_KEY",
        type=_public_key,
        help="in base64, like pub_key.value in its priv_validator_key.json",
    )
    upsert.add_argument(
        "power", metavar="POWER", type=_power, help="its new power; 0 removes it"
    )
    upsert.add_argument(
        "node_id",
        metavar="NODE_ID",
        type=_node_id,
        help="the id of its engine, for people who vote: nothing depends on it",
    )
    help = "propose that this chain ends, so that another can follow it"
    migration = _add(kinds, "migration", _new_migration, help, "chain-migration")
    approve = _add(actions, "approve", _approve, "vote for an election")
    show = _add(actions, "show", _show, "say how an election stands")
    for parser in (approve, show):
        parser.add_argument("election_id", metavar="ELECTION_ID")
    for parser in (upsert, migration, approve):
        parser.add_argument(
            "--private-key",
            required=True,
            metavar="FILE",
            type=Path,
            help="your validator's priv_validator_key.json (or priv_validator.json)",
        )


def _group(commands: Actions, name: str, metavar: str, help: str) -> Actions:
    parser = commands.add_parser(name, help=help, allow_abbrev=False)
    return parser.add_subparsers(required=True, metavar=metavar)


def _add(
    commands: Actions, name: str, act: Act, help: str, *aliases: str
) -> argparse.ArgumentParser:
    said = f"{help[0].upper()}{help[1:]}. Give the flags that `run` was started with."
    parser = commands.add_parser(
        name, aliases=aliases, help=help, description=said, allow_abbrev=False
    )
    parser.set_defaults(command=lambda parsed: _run(act, parsed))
    add_token_file(parser)
    add_settings(parser)
    return parser


def _run(act: Act, parsed: argparse.Namespace) -> int:
    try:
        config = settings_of(parsed).config
        token = read_token(parsed.token_file) if parsed.token_file else ""
        if "private_key" in parsed:
            parsed.signer = read_signer(parsed.private_key)
    except (ConfigError, ValueError) as error:
        return failed(error, 2)
    try:
        act(parsed, NodeApi(config, token))
    except VotingError as error:
        return failed(error)
    except NodeSilent as error:
        return failed(f"the daemon does not answer: {error}")
    return 0


def _new_validator(parsed: argparse.Namespace, node: NodeApi) -> None:
    change = {"key": parsed.key, "power": parsed.power, "node_id": parsed.node_id}
    _say_opened(voting.open_validator_election(node, parsed.signer, **change))


def _new_migration(parsed: argparse.Namespace, node: NodeApi) -> None:
    _say_opened(voting.open_migration_election(node, parsed.signer))


def _say_opened(election_id: str) -> None:
    print(f"[SUCCESS] Submitted proposal with id: {election_id}")


def _approve(parsed: argparse.Namespace, node: NodeApi) -> None:
    voting.approve(node, parsed.signer, parsed.election_id)
    print("[SUCCESS] Your vote has been submitted")


def _show(parsed: argparse.Namespace, node: NodeApi) -> None:
    lines = [*voting.describe(node, parsed.election_id)]
    print("\n".join(f"{name}={text}" for name, text in lines))


def _public_key(text: str) -> bytes:
    try:
        return read_public_key(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _power(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise argparse.ArgumentTypeError(
            f"must be an integer, 0 (which removes the validator) or more, not {text!r}"
        )
    return int(text)


def _node_id(text: str) -> str:
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a node")
    return text
