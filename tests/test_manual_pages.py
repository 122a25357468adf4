"""The pages of the manual as such: which there are, where their links lead, what they list."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from scripts import child
from tests import manual
from trio_stream.__main__ import COMMANDS, word_of
from trio_stream.access.tokens import Permission, read_tokens
from trio_stream.client import Options
from trio_stream.config import Config, load, load_follow
from trio_stream.config.foreign_names import BIGCHAINDB, BIGCHAINDB_VARIABLES
from trio_stream.manual import MARKDOWN, TOPICS, page

TITLES = {
    "api": "API",
    "differences": "Differences from BigchainDB 2.2.2",
    "sql": "SQL",
}
"""Where the title is not the topic with a capital."""


def test_each_page_is_a_topic() -> None:
    found = {each.name for each in files("trio_stream.manual").iterdir()}
    assert {f"{topic}.md" for topic in TOPICS} == {
        name for name in found if name.endswith(".md")
    }


def test_what_is_no_topic_has_no_page() -> None:
    with pytest.raises(KeyError):
        page("../manual/start")


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_has_one_title(topic: str) -> None:
    text = manual.prose(manual.PAGES[topic])
    titles = re.findall(r"^# (.*)$", text, re.MULTILINE)
    assert titles == [TITLES.get(topic, topic.capitalize())]
    assert text.startswith("# ")


@pytest.mark.parametrize("topic", TOPICS)
def test_no_page_has_what_a_merge_left_behind(topic: str) -> None:
    assert not re.search(r"^(<<<<<<<|=======|>>>>>>>)", page(topic), re.MULTILINE)
    # A line break within code would be a space in it.
    assert not re.search(r"`[^`\n]*-\n[^`]*`", manual.prose(page(topic)))


@pytest.mark.parametrize("topic", TOPICS)
def test_each_column_of_a_table_has_a_name(topic: str) -> None:
    for opening, text in pairwise(MARKDOWN.parse(page(topic))):
        # Those who have a page read to them would not know what a cell is.
        assert opening.type != "th_open" or text.content


@pytest.mark.parametrize("topic", TOPICS)
def test_links_between_pages_lead_somewhere(topic: str) -> None:
    for link in manual.links(manual.PAGES[topic]):
        target, _, part = link.partition("#")
        if not target.startswith("https://"):
            assert target.removesuffix(".md") in TOPICS, link
            assert not part, "a page as a whole is linked, and its part named"


@pytest.mark.parametrize("text", [manual.README, *manual.GUIDES.values()])
def test_links_of_the_readmes_lead_to_files(text: str) -> None:
    for link in manual.links(text):
        assert link.startswith("https://") or (child.ROOT / link).is_file(), link


def test_the_readme_is_a_first_page() -> None:
    assert len(manual.README.splitlines()) <= 150


def test_the_readme_lists_the_pages_as_they_are() -> None:
    rows = re.findall(
        r"^\| \[\w+\]\(trio_stream/manual/(\w+)\.md\) \| (.*) \|$",
        manual.README,
        re.MULTILINE,
    )
    assert rows == list(TOPICS.items())


def test_the_engine_is_pointed_at_the_default_address() -> None:
    for block in manual.blocks("toml", manual.README + manual.PAGES["start"]):
        settings = tomllib.loads(block)
        assert settings["proxy_app"] == Config().abci
        assert settings["consensus"] == {"create_empty_blocks": False}


def test_the_printed_list_of_tokens_can_be_used() -> None:
    (block,) = manual.blocks("toml", manual.PAGES["security"])
    assert len(read_tokens(block)) == 3
    rows = re.findall(r"^\| `(\w+)` \|", manual.PAGES["security"], re.MULTILINE)
    assert {each.value for each in Permission} <= set(rows)


def test_each_option_of_the_client_has_a_row() -> None:
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \|", manual.PAGES["client"], re.MULTILINE
    )
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    # The others stand in for the network, chance and threads, in tests.
    assert set(Options.__optional_keys__) - named == {"open_tcp", "jitter", "run_sync"}


def test_each_command_has_a_row() -> None:
    _, _, table = manual.PAGES["operating"].partition("| command | does |\n")
    rows = table.partition("\n\n")[0].splitlines()
    named = [
        name for row in rows for name in re.findall(r"`([\w-]+)`", row.split("|")[1])
    ]
    assert named == [word_of(name) for name in COMMANDS]


def test_each_folder_of_the_package_is_in_the_architecture() -> None:
    text = manual.PAGES["architecture"]
    rows = re.findall(r"^\| ((?:`\w+/`(?:, )?)+) \|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)/`", row)}
    package = child.ROOT / "trio_stream"
    assert named == {each.parent.name for each in package.glob("*/__init__.py")}


def test_the_file_of_settings_is_one(tmp_path: Path) -> None:
    (block,) = manual.blocks("toml", manual.PAGES["operating"])
    file = tmp_path / "node.toml"
    file.write_text(block)
    config = load({}, {}, file=file)
    assert config.home == Path("/srv/node")
    assert config.trusted_proxies == ("10.0.0.0/8",)


def test_the_follower_s_file_of_settings_is_one(tmp_path: Path) -> None:
    (block,) = manual.blocks("toml", manual.PAGES["following"])
    file = tmp_path / "follow.toml"
    file.write_text(block)
    config = load_follow({}, {}, file=file).config
    assert config.home == Path("/srv/follower")
    assert len(config.node) == 2


def test_bigchaindb_s_variables_are_those_that_are_read() -> None:
    rows = re.findall(
        r"^\| (`BIGCHAINDB.*) \| (.*) \|$", manual.PAGES["operating"], re.M
    )
    told = {name: to for names, to in rows for name in re.findall(r"`(\w+)`", names)}
    assert told.pop("BIGCHAINDB_CONFIG_PATH") == "the file"
    parts = {f"{name}_{part}": name for name in ("stream", "node") for part in PARTS}
    assert told == {
        variable: f"`{parts.get(BIGCHAINDB[name], BIGCHAINDB[name])}`"
        for variable, name in BIGCHAINDB_VARIABLES.items()
    }


PARTS = ("host", "port")
"""What BigchainDB sets apart."""
