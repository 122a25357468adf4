"""Text searches as MongoDB's documentation has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.log.search_query import SearchQuery, read_query
from trio_stream.transactions.words import terms_of


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", SearchQuery()),
        (" \n\t", SearchQuery()),
        ("coffee", SearchQuery(["coffee"])),
        ("bake coffee cake", SearchQuery(["bake", "coffee", "cake"])),
        ("cake  cake\ncoffee", SearchQuery(["cake", "coffee"])),
        ("a.b,c/d2", SearchQuery(["b", "c", "d2"])),
        (
            "snake_case don't e\u0301te\u0301",
            SearchQuery(["snake_case", "e\u0301te\u0301"]),
        ),
        ("!!! * . \u00ab", SearchQuery()),
        ("' _ x", SearchQuery(["'", "_", "x"])),
        # Stop words
        ("the", SearchQuery()),
        ("The coffee AND THE cake", SearchQuery(["coffee", "cake"])),
        ("-the coffee", SearchQuery(["coffee"])),
        # Phrases
        ('"coffee shop"', SearchQuery(["coffee", "shop"], ["coffee shop"])),
        (
            '"ssl certificate" authority key',
            SearchQuery(
                ["ssl", "certificate", "authority", "key"], ["ssl certificate"]
            ),
        ),
        ('"to be"', SearchQuery([], ["to be"])),
        ('"to be" fish', SearchQuery(["fish"], ["to be"])),
        ('"a" "b c"', SearchQuery(["b", "c"], ["a", "b c"])),
        ('""', SearchQuery()),
        ('"!!"', SearchQuery()),
        ('coffee "shop', SearchQuery(["coffee", "shop"])),
        ('"coffee" "coffee"', SearchQuery(["coffee"], ["coffee"])),
        (
            'one"two three"four',
            SearchQuery(["one", "two", "three", "four"], ["two three"]),
        ),
        # Exclusions
        ("coffee -shop", SearchQuery(["coffee"], [], ["shop"])),
        ("-shop", SearchQuery([], [], ["shop"])),
        ("- shop", SearchQuery(["shop"])),
        ("pre-market", SearchQuery(["pre", "market"])),
        ("-pre-market day", SearchQuery(["day"], [], ["pre", "market"])),
        ("--shop x", SearchQuery(["x"], [], ["shop"])),
        ('x -"coffee shop"', SearchQuery(["x"], [], [], ["coffee shop"])),
        ('x - "coffee shop"', SearchQuery(["x", "coffee", "shop"], ["coffee shop"])),
        ('x -"a b"-"c d" y', SearchQuery(["x", "y"], [], [], ["a b", "c d"])),
        ('"one -two"', SearchQuery(["one", "two"], ["one -two"])),
        ('x -"one two', SearchQuery(["x"])),
        # What keeps strings apart in the index is no word
        ("one\ue000two", SearchQuery(["one", "two"])),
        ('"one \ue000 two"', SearchQuery(["one", "two"], ["one   two"])),
    ],
)
def test_what_a_text_asks_for(text: str, query: SearchQuery) -> None:
    assert read_query(text) == query


@given(st.text(alphabet='a-" \n\ue000é.1', max_size=40) | st.text(max_size=40))
def test_any_text_is_a_query_without_quotes_in_its_strings(text: str) -> None:
    query = read_query(text)
    strings = query.words + query.phrases
    for each in strings + query.excluded_words + query.excluded_phrases:
        assert '"' not in each and "\ue000" not in each
        assert terms_of(each)
