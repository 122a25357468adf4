"""The manual for browsers: `/manual` lists its pages, `/manual/TOPIC` is one.

All of it is made at the start, which takes a tenth of a second, and served as files are. There is
no script in it, and nothing is loaded from other hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from html import escape
from typing import Final

from quart_trio import QuartTrio

from trio_stream import __version__
from trio_stream.http.files import StaticFile, add_file
from trio_stream.manual import MARKDOWN, TOPICS, page
from trio_stream.manual.html import PATH, Heading, headings, inline, render

_STYLE: Final = "/static/manual.css"
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)

_FRAME: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – trio_stream</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/colors.css">
<link rel="stylesheet" href="{style}">
</head>
<body>
<a class="skip" href="#text">To the text</a>
<header>
<a href="/"><img src="/static/icon.svg" alt="" width="24" height="24">trio_stream</a>
<a href="{path}">Manual</a>
<span>{version}</span>
</header>
<nav aria-label="Pages of the manual">
<ul>
{pages}</ul>
</nav>
<main id="text">
{text}</main>
</body>
</html>
"""


def add_manual(app: QuartTrio) -> None:
    """Serve the manual."""
    add_file(app, _STYLE, StaticFile.read("manual.css"))
    for path, text in documents().items():
        add_file(app, path, _html(text))


@cache
def documents() -> dict[str, str]:
    """All documents of the manual, by path."""
    pages = {topic: MARKDOWN.parse(page(topic)) for topic in TOPICS}
    titles = {topic: next(headings(tokens)).html for topic, tokens in pages.items()}
    rows = "".join(
        f'<dt><a href="{PATH}/{topic}">{titles[topic]}</a></dt><dd>{inline(about)}</dd>\n'
        for topic, about in TOPICS.items()
    )
    contents = f"<h1>Manual</h1>\n<dl>\n{rows}</dl>\n"
    made = {PATH: _framed("Manual", contents, _entries(titles))}
    for topic, tokens in pages.items():
        entries = _entries(titles, topic, headings(tokens))
        made[f"{PATH}/{topic}"] = _framed(titles[topic], render(tokens), entries)
    return made


def _framed(title: str, text: str, entries: Iterable[str]) -> str:
    return _FRAME.format(
        title=title,
        style=_STYLE,
        path=PATH,
        version=escape(__version__),
        pages="".join(entries),
        text=text,
    )


def _entries(
    titles: Mapping[str, str], current: str = "", parts: Iterable[Heading] = ()
) -> Iterator[str]:
    """The pages, and below the current one its parts."""
    for topic, title in titles.items():
        if topic != current:
            yield f'<li><a href="{PATH}/{topic}">{title}</a></li>\n'
            continue
        rows = "".join(
            f'<li><a href="#{each.anchor}">{each.html}</a></li>\n'
            for each in parts
            if each.level == 2
        )
        yield f'<li><a href="{PATH}/{topic}" aria-current="page">{title}</a>\n'
        yield f"<ul>\n{rows}</ul></li>\n"


def _html(text: str) -> StaticFile:
    return StaticFile.of(
        text.encode(),
        "text/html; charset=utf-8",
        ("Content-Security-Policy", _POLICY),
        ("Referrer-Policy", "no-referrer"),
    )
