"""What an operator may set (`settings`), and where it is read from (`sources`)."""

from trio_stream.config.following import FollowConfig
from trio_stream.config.settings import Config, DoorSettings, contradict
from trio_stream.config.sources import Loaded, load, load_follow, load_traced
from trio_stream.config.values import Address, ConfigError

__all__ = [
    "Address",
    "Config",
    "ConfigError",
    "DoorSettings",
    "FollowConfig",
    "Loaded",
    "contradict",
    "load",
    "load_follow",
    "load_traced",
]
