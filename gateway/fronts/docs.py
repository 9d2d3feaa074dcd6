"""``/docs``: what this port offers, from the very routes that offer it."""

from collections.abc import Iterable
from html import escape
from inspect import getdoc
from typing import Protocol

from aiohttp import web

from gateway.fronts.page import rules


class Offered(Protocol):
    """Something that is offered over HTTP."""

    def routes(self) -> list[web.RouteDef]:
        """What it offers."""
        ...


class Docs:
    """An index for people.

    Args:
        parts: what the port offers; the first line of each handler's docstring says what it does.
    """

    def __init__(self, parts: Iterable[Offered]) -> None:
        rows = [_row(route) for part in (*parts, self) for route in part.routes()]
        self._text = _PAGE.format(rows="\n".join(rows))

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


def _row(route: web.RouteDef) -> str:
    said = (getdoc(route.handler) or "").partition("\n")[0]
    return (
        f"<tr><td>{escape(route.method)}</td><td><code>{escape(route.path)}</code></td>"
        f"<td>{escape(said)}</td></tr>"
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Antiphon: what this port offers</title>
<link rel="stylesheet" href="/css/base.css">
<link rel="stylesheet" href="/docs.css">
</head>
<body>
<main>
<h1>What this port offers</h1>
<p>Where the gateway asks for keys, everything under <code>/v1/</code> wants <code>Authorization: Bearer KEY</code>.
It speaks OpenAI's API: give a client of that this address as its base URL, with <code>/v1</code> behind it.
The <a href="/">page</a> is one of its clients. gRPC has a port of its own.</p>
<table>
<thead><tr><th>Method</th><th>Path</th><th>What it does</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""

_STYLE = """:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: start; vertical-align: top; padding: 0.5rem 1rem 0.5rem 0; border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
code { overflow-wrap: anywhere; }
"""
