"""``/docs``: what this port offers, from the routes that offer it and the tables of the Realtime protocol."""

import re
from collections.abc import Iterable
from html import escape
from inspect import getdoc

from aiohttp import web

from gateway.fronts.http import Part
from gateway.fronts.page import rules
from gateway.fronts.realtime import table

_TITLES = {
    "client": "Realtime: what a client may send",
    "server": "Realtime: what the gateway sends",
    "session": "Realtime: fields of a session",
    "response": "Realtime: fields of a response",
    "antiphon": "Realtime: events that other servers do not have",
}


class Docs:
    """An index for people.

    Args:
        parts: what the port offers; the first line of each handler's docstring says what it does.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        routes = [route for part in parts for route in part.routes()]
        tables = [
            _section(
                "HTTP",
                ("method", "path", "what it does"),
                (_cells(route) for route in routes),
            ),
            *(
                _section(
                    _TITLES[part],
                    ("name", "done", "how, or why"),
                    (
                        (_code(row.name), row.does.value, _prose(row.how))
                        for row in rows
                    ),
                )
                for part, rows in table.load().items()
            ),
        ]
        self._text = _PAGE.format(tables="\n".join(tables))

    def routes(self) -> list[web.RouteDef]:
        """``/docs`` and its style sheet."""
        return [web.get("/docs", self.docs), web.get("/docs.css", self.style)]

    async def docs(self, request: web.Request) -> web.Response:
        """This list."""
        return web.Response(
            text=self._text, content_type="text/html", headers=rules(request)
        )

    async def style(self, request: web.Request) -> web.Response:
        """How this list looks."""
        return web.Response(
            text=_STYLE, content_type="text/css", headers=rules(request)
        )


def _cells(route: web.RouteDef) -> tuple[str, str, str]:
    said = (getdoc(route.handler) or "").partition("\n")[0]
    # A path may say which texts a part of it matches, which is nothing for people.
    path = re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path)
    return route.method, _code(path), _prose(said)


def _section(
    title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f"<section><h2>{title}</h2><table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></section>"
    )


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _prose(text: str) -> str:
    """A sentence in which backticks enclose code."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Antiphon: what this port offers</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/css/base.css">
<link rel="stylesheet" href="/docs.css">
</head>
<body>
<main class="docs">
<p><a href="/">Talk to it</a></p>
<h1>What this port offers</h1>
<p>It speaks OpenAI’s API: give a client of that this address, with <code>/v1</code> behind it, as its base URL. Where the
gateway asks for keys, everything under <code>/v1/</code> wants <code>Authorization: Bearer KEY</code>. gRPC has a port of its
own.</p>
{tables}
</main>
</body>
</html>
"""

_STYLE = """body { overflow: auto; }
.docs { display: block; max-width: 64rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
.docs h1 { font: 400 2rem/1.2 var(--serif, serif); margin: 1rem 0; }
.docs h2 { font: 600 1rem/1.4 var(--sans, sans-serif); margin: 2.5rem 0 0.5rem; }
.docs a { color: var(--tint, inherit); }
.docs table { border-collapse: collapse; width: 100%; }
.docs th { color: var(--muted, inherit); font-weight: 400; }
.docs th, .docs td { padding: 0.5rem 1rem 0.5rem 0; text-align: start; vertical-align: top; }
.docs tr { border-top: 1px solid var(--hair, currentColor); }
.docs code { font-size: 0.9em; }
@media (max-width: 48rem) {
  .docs code { overflow-wrap: anywhere; }
  .docs thead { display: none; }
  .docs tr { display: block; padding: 0.75rem 0; }
  .docs td { display: block; padding: 0; }
}
"""
