"""A scripted Hugging Face Hub: the few requests by which its client finds and downloads a model."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_API = re.compile(r"/api/models/([^/]+/[^/]+)/revision/([^?]+)")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)")


@dataclass
class ScriptedHub:
    """What it holds, and what it was asked.

    Attributes:
        url: for ``HF_ENDPOINT``.
        revisions: commit by repository and branch.
        commits: content by file name, by repository and commit.
        gated: repositories whose terms have to be accepted.
        lost: names of files that are listed and cannot be had.
        asked: paths, in order.
        flowing: while it is clear, only the first half of a file is sent.
    """

    url: str = ""
    revisions: dict[tuple[str, str], str] = field(default_factory=dict)
    commits: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    flowing: threading.Event = field(default_factory=threading.Event)

    def publish(
        self, repository: str, branch: str, commit: str, files: dict[str, bytes]
    ) -> None:
        """Make a commit the newest of a branch."""
        self.revisions[repository, branch] = commit
        self.commits[repository, commit] = files

    @property
    def downloads(self) -> list[str]:
        """Names of files that were asked for, in order, without those that were only looked at."""
        return [
            match.group(3)
            for path in self.asked
            if path.startswith("GET ") and (match := _FILE.fullmatch(path[4:]))
        ]


class _Handler(BaseHTTPRequestHandler):
    hub: ScriptedHub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *_: object) -> None:
        """Standard error is for the tests."""

    def _answer(self, with_body: bool) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        if match := _API.match(self.path):
            self._describe(match.group(1), match.group(2))
        elif match := _FILE.match(self.path):
            self._send_file(*match.groups(), with_body)
        else:
            self._refuse(404, "EntryNotFound")

    def _describe(self, repository: str, revision: str) -> None:
        commit = self.hub.revisions.get((repository, revision), revision)
        files = self.hub.commits.get((repository, commit))
        if repository in self.hub.gated:
            self._refuse(403, "GatedRepo")
        elif not any(repository == name for name, _ in self.hub.commits):
            self._refuse(401, "RepoNotFound")
        elif files is None:
            self._refuse(404, "RevisionNotFound")
        else:
            siblings = [
                {"rfilename": name, "size": len(content)}
                for name, content in files.items()
            ]
            answer = {"id": repository, "sha": commit, "siblings": siblings}
            body = json.dumps(answer).encode()
            self._send(len(body), {})
            self.wfile.write(body)

    def _send_file(
        self, repository: str, commit: str, name: str, with_body: bool
    ) -> None:
        content = self.hub.commits.get((repository, commit), {}).get(name)
        if content is None or name in self.hub.lost:
            self._refuse(404, "EntryNotFound")
            return
        headers = {
            "ETag": f'"{sha256(content).hexdigest()}"',
            "X-Repo-Commit": commit,
        }
        self._send(len(content), headers)
        if with_body:
            half = len(content) // 2
            self.wfile.write(content[:half])
            self.wfile.flush()
            self.hub.flowing.wait()
            self.wfile.write(content[half:])

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, length: int, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


@contextmanager
def scripted_hub() -> Iterator[ScriptedHub]:
    """A Hub on a free port, for as long as the block runs."""
    hub = ScriptedHub()
    hub.flowing.set()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        hub.flowing.set()
        server.shutdown()
        thread.join()
        server.server_close()
