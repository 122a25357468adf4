"""The manual's page prints the recipes as they are."""

from __future__ import annotations

import re

from tests.deploy.recipes import FOLDER
from trio_stream.manual import page

PAGE = page("deploying")


def test_each_recipe_is_printed_as_it_is_or_named() -> None:
    blocks = re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.M | re.S)
    for path in sorted(FOLDER.iterdir()):
        text = path.read_text(encoding="utf-8")
        assert text in blocks or f"`scripts/deploy/{path.name}`" in PAGE, path.name


def test_each_block_is_a_recipe_or_a_command() -> None:
    recipes = [path.read_text(encoding="utf-8") for path in FOLDER.iterdir()]
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S):
        assert language == "sh" or text in recipes, text
