"""The command line: its parser, which hands over to one of the `commands`.

An installation for clients alone lacks the packages that a node needs. There, a command of the
node stands in the parser all the same, and says what to install.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from trio_stream import __version__

COMMANDS = (
    "run",
    "follow",
    "tail",
    "status",
    "election",
    "log_level",
    "check_config",
    "show_config",
    "check",
    "backup",
    "restore",
    "rollback",
    "export",
    "import_",
    "genesis",
    "help",
)
"""The modules in `commands`, in the order in which `--help` names them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        parsed = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = parsed.command
        status = command(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads the pipe has seen enough; Python would flush it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("trio-stream: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trio-stream",
        description="A BigchainDB-compatible node with a durable commit-event stream, and the same"
        " stream for any chain of Tendermint or CometBFT.",
        epilog="The manual: trio-stream help",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        try:
            module = import_module(f"trio_stream.commands.{name}")
        except ModuleNotFoundError as error:
            if str(error.name).startswith("trio_stream"):
                raise
            _add_stub(commands, word_of(name), error)
        else:
            module.add_to(commands)
    return parser


def word_of(name: str) -> str:
    """The command of this module, as it is typed; some are keywords of Python's."""
    return name.strip("_").replace("_", "-")


def _add_stub(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    error: ModuleNotFoundError,
) -> None:
    """A command that takes any arguments, and says what to install."""
    parser = commands.add_parser(
        name,
        help="needs pip install 'trio-stream[server]'",
        add_help=False,
        # No argument begins with one of these, so that options pass too.
        prefix_chars="\0",
    )
    parser.add_argument("ignored", nargs="*")
    parser.set_defaults(command=partial(_say_what_to_install, name, error.name))


def _say_what_to_install(name: str, module: str | None, _: argparse.Namespace) -> int:
    print(
        f"trio-stream: {name} needs packages that a client does not (there is no {module!r}):"
        " pip install 'trio-stream[server]'",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
