"""What lies on this machine of a repository of the Hugging Face Hub, and what is known about it without asking."""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from services.runtime import logs
from services.runtime.models import FOLDER_VARIABLE, models_folder

log = logs.get_logger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")


def cache_folder() -> Path:
    """Where the Hub's files lie: ``HF_HUB_CACHE``, ``HF_HOME``, ``ANTIPHON_MODELS``, else the user's cache."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    if os.environ.get(FOLDER_VARIABLE):
        return models_folder() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "huggingface" / "hub"


def matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Those names that fit a pattern."""
    return [
        name
        for name in names
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


@dataclass(slots=True)
class Notes:
    """What has been written down about a repository.

    Attributes:
        revisions: commit by branch or tag, as it was when it was looked up.
        listings: names of all files by commit.
    """

    revisions: dict[str, str] = field(default_factory=dict)
    listings: dict[str, list[str]] = field(default_factory=dict)


class Cached:
    """A repository as far as it is here."""

    def __init__(self, repository: str) -> None:
        name = repository.replace("/", "--")
        self._folder = cache_folder() / f"models--{name}"
        # Images bring the models' folder, where nothing may be written, and mount the cache.
        self._paths = (
            models_folder() / "revisions" / f"{name}.json",
            cache_folder() / ".antiphon" / f"{name}.json",
        )
        self._notes = self._read()

    def commit(self, revision: str) -> str:
        """The commit that a revision stands for here; empty where it has to be asked."""
        if _COMMIT.fullmatch(revision):
            return revision
        return self._notes.revisions.get(revision, "")

    def snapshot(self, commit: str) -> Path:
        """The folder of a commit's files."""
        return self._folder / "snapshots" / commit

    def missing(self, commit: str, names: Iterable[str]) -> list[str]:
        """Those files that are not here as a whole: the Hub's client puts one in its place after all of it has come."""
        snapshot = self.snapshot(commit)
        return [name for name in names if not (snapshot / name).is_file()]

    def complete(self, commit: str, patterns: Sequence[str]) -> bool:
        """Whether all that fits the patterns is known to be here."""
        names = matching(self._notes.listings.get(commit, ()), patterns)
        return bool(names) and not self.missing(commit, names)

    def left_by_others(self, revision: str, patterns: Sequence[str]) -> str:
        """A commit whose files somebody else has put here and nothing suggests that some are missing; else empty."""
        commit = self.commit(revision) or self._ref(revision)
        if not commit or commit in self._notes.listings:
            return ""
        snapshot = self.snapshot(commit)
        files = [path for path in snapshot.rglob("*") if path.is_file()]
        here = matching((str(path.relative_to(snapshot)) for path in files), patterns)
        interrupted = any((self._folder / "blobs").glob("*.incomplete"))
        return commit if here and not interrupted else ""

    def bytes_here(self, commit: str, sizes: Mapping[str, int]) -> int:
        """How much of some files has come, those included that are still coming."""
        lacking = set(self.missing(commit, sizes))
        whole = sum(size for name, size in sizes.items() if name not in lacking)
        coming = 0
        for part in (self._folder / "blobs").glob("*.incomplete"):
            try:
                coming += part.stat().st_size
            except FileNotFoundError:
                continue  # it has become whole in between
        return whole + coming

    def clear(self) -> None:
        """Delete what killed downloads have left, where the Hub's client begins anew each time, and would add to it."""
        from filelock import FileLock

        locks = cache_folder() / ".locks" / self._folder.name
        # Older clients go on where they were, in a file without a number of its own.
        for part in (self._folder / "blobs").glob("*.*.incomplete"):
            try:
                # Whoever still downloads this file holds its lock.
                with FileLock(locks / f"{part.name.partition('.')[0]}.lock", timeout=0):
                    part.unlink(missing_ok=True)
            except OSError as error:
                log.debug("a part of a download stays", reason=str(error))

    def write_down(self, revision: str, commit: str, listing: list[str]) -> None:
        """Remember what a revision is and what belongs to it."""
        self._notes.listings[commit] = listing
        if revision != commit:
            self._notes.revisions[revision] = commit
        for path in self._paths:
            try:
                self._write(path)
                return
            except OSError as error:
                problem = error
        # It only costs the question again, where there is somebody to ask.
        log.warning("cannot write down a model's revision", reason=str(problem))

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, delete=False
        ) as beside:
            json.dump(asdict(self._notes), beside, indent=1)
        Path(beside.name).chmod(0o644)
        Path(beside.name).replace(path)

    def _read(self) -> Notes:
        for path in self._paths:
            with suppress(OSError, ValueError, TypeError):
                return Notes(**json.loads(path.read_text(encoding="utf-8")))
        return Notes()

    def _ref(self, revision: str) -> str:
        """The commit that the Hub's own client knows a branch or tag by."""
        try:
            return (self._folder / "refs" / revision).read_text().strip()
        except OSError:
            return ""
