"""The page at ``/``: files, and the rules that a browser is to hold them to."""

import re
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parents[1] / "page"
START = "index.html"

_HOST = re.compile(r"[\w.:\[\]-]+")


class Page:
    """Serves the files of a folder, each at its path in it, and ``index.html`` at ``/``.

    Which files there are is found out once: a path that is none of them is not looked for.

    Args:
        folder: with the files.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def routes(self) -> list[web.RouteDef]:
        """One for each file."""
        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        return [web.get("/", self.page), *map(self._route, files)]

    async def page(self, request: web.Request) -> web.FileResponse:
        """The page to talk to it on."""
        return _file(self._folder / START, request)

    def _route(self, path: Path) -> web.RouteDef:
        async def serve(request: web.Request) -> web.FileResponse:
            return _file(path, request)

        address = f"/{path.relative_to(self._folder).as_posix()}"
        return web.get(re.sub(r"[{}]", "", address), serve)


def _file(path: Path, request: web.Request) -> web.FileResponse:
    return web.FileResponse(path, headers=rules(request))


def rules(request: web.Request) -> dict[str, str]:
    """Headers that let a page load and reach nothing but this gateway, and be framed by nobody.

    Args:
        request: for the page. It may open WebSockets to the same host; some browsers do not count them as ``'self'``.
    """
    secure = "wss" if request.secure else "ws"
    socket = f" {secure}://{request.host}" if _HOST.fullmatch(request.host) else ""
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob: mediastream:",
        "font-src 'self'",
        f"connect-src 'self'{socket}",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Permissions-Policy": "microphone=(self), autoplay=(self)",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # The browser keeps it, and asks each time whether it is still the same.
        "Cache-Control": "no-cache",
    }
