"""`trio-stream check-config`: whether `run` or `follow` could start with these settings.

Settings are read and compared as at a start, and the files that they name are opened. Nothing is
bound and the data directory is not touched, so a daemon may run meanwhile. Status 0: they can be
used. 2: they can't.
"""

from __future__ import annotations

import argparse
import os

from trio_stream.access.tokens import TokensError
from trio_stream.commands.data import failed
from trio_stream.commands.flags import add_either_settings, either_settings_of
from trio_stream.config import ConfigError, DoorSettings
from trio_stream.net.tls import CertificateError
from trio_stream.node.credentials import Credentials


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "check-config",
        help="say whether a daemon could start with these settings",
        description="Say whether `run`, or with --follow `follow`, could start with these"
        " settings: flags, environment and file are read, and certificates and tokens opened."
        " Nothing is started or changed.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    add_either_settings(parser)


def run(parsed: argparse.Namespace) -> int:
    """Check the settings; returns the exit status."""
    try:
        loaded = either_settings_of(parsed)
        Credentials(loaded.config)
        _check_home(loaded.config)
    except (ConfigError, CertificateError, TokensError) as error:
        return failed(error, 2)
    count = len(loaded.origins)
    print(
        f"The configuration can be used; {count} {'setting' if count == 1 else 'settings'}"
        f" {'differs' if count == 1 else 'differ'} from the default"
        f" (trio-stream show-config{' --follow' if parsed.follow else ''} lists them)."
    )
    return 0


def _check_home(config: DoorSettings) -> None:
    """Refuse a data directory that could not be made or written."""
    home = config.home.absolute()
    there = next(each for each in (home, *home.parents) if each.exists())
    if not there.is_dir():
        raise ConfigError(f"home {config.home}: {there} is not a directory")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"home {config.home}: {there} can't be written by this user")
