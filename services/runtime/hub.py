"""Models on the Hugging Face Hub: fetched once, then loaded without the network.

A model is named ``OWNER/NAME`` or ``OWNER/NAME@REVISION``. Which revision is loaded never changes by itself: it is the
one that was asked for, or the one of ``hub.toml``; of any other model the newest one is looked up once, written down
beside the models and kept until `fetch` is told to update it. What belongs to a revision is written down too, so that
a download that was interrupted is told from one that is complete, offline as well.

The files lie in the Hub's own cache, which ``HF_HUB_CACHE`` and ``HF_HOME`` move; without these in a folder of
``ANTIPHON_MODELS``, if that is set, so that one volume holds all models. ``HF_TOKEN``, ``HF_ENDPOINT`` and
``HF_HUB_OFFLINE`` mean what they mean elsewhere. Works with huggingface_hub from 0.36 on.
"""

import errno
import os
import re
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from services.runtime import logs
from services.runtime.errors import FailedPrecondition
from services.runtime.hub_cache import Cached, cache_folder, matching

log = logs.get_logger(__name__)

Say = Callable[[str], object]

NEWEST = "main"
PROGRESS_SECONDS = 10.0
"""Between two lines about a download where nobody sees a bar."""

_MODEL = re.compile(
    r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w.][\w./-]*))?(:(?P<file>[^:]+))?"
)
_OF_THE_FOLDER = (
    *(errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EIO, errno.ENOSPC),
    *(errno.ENOTDIR, errno.EPERM, errno.EROFS),
)
"""Errors of a place to write to, which no network mends."""

_EVERYTHING = ("*",)
_YES = ("1", "on", "yes", "true")


@dataclass(frozen=True, slots=True)
class Place:
    """What a name of a model on the Hub says.

    Attributes:
        repository: ``OWNER/NAME``.
        revision: branch, tag or commit; empty where none is said.
        file: path in the repository; empty where none is said.
    """

    repository: str
    revision: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A model of ``hub.toml``.

    Attributes:
        about: one line for people.
        licence: of the weights.
        revision: commit that is loaded unless another revision is asked for.
        files: patterns of what is fetched.
    """

    about: str
    licence: str
    revision: str
    files: tuple[str, ...] = _EVERYTHING


def parse(model: str) -> Place | None:
    """Take ``OWNER/NAME[@REVISION][:FILE]`` apart; None where it is something else."""
    match = _MODEL.fullmatch(model)
    return Place(**match.groupdict(default="")) if match else None


def known() -> Mapping[str, Known]:
    """The models of ``hub.toml`` by repository."""
    document = tomllib.loads(
        resources("services.runtime").joinpath("hub.toml").read_text()
    )
    return {
        name: Known(**{**entry, "files": tuple(entry.get("files", _EVERYTHING))})
        for name, entry in document.items()
    }


def fetch(
    repository: str,
    files: Sequence[str] = (),
    revision: str = "",
    *,
    update: bool = False,
    say: Say | None = None,
) -> Path:
    """The folder of a model, downloaded if it is not here; without any use of the network if it is.

    It blocks, for minutes while it downloads: to be called from a thread.

    Args:
        repository: ``OWNER/NAME``, or ``OWNER/NAME@REVISION``.
        files: names or patterns of what is wanted; default: what ``hub.toml`` says, else everything.
        revision: branch, tag or commit; default: what ``hub.toml`` says, else the newest when it was first fetched.
        update: look up anew which commit a branch or tag is.
        say: gets a line for each step; default: the log.

    Raises:
        FailedPrecondition: it is not here and cannot be had; the message says what to do.
    """
    place = parse(repository)
    if place is None or place.file:
        raise FailedPrecondition(
            f"{repository!r} is no model on the Hugging Face Hub: name it OWNER/NAME or OWNER/NAME@REVISION"
        )
    entry = known().get(place.repository)
    wanted = revision or place.revision or (entry.revision if entry else NEWEST)
    patterns = tuple(files) or (entry.files if entry else _EVERYTHING)
    fetching = _Fetching(place.repository, wanted, patterns, say or log.info)
    return fetching.folder(update)


def present(repository: str) -> bool:
    """Whether a model of ``hub.toml`` is known to be here as a whole."""
    entry = known()[repository]
    return Cached(repository).complete(entry.revision, entry.files)


class _Unreachable(Exception):
    """The Hub did not answer, or not as it should."""


class _Fetching:
    """One revision of a repository, as far as it is wanted."""

    def __init__(
        self, repository: str, revision: str, patterns: tuple[str, ...], say: Say
    ) -> None:
        self._repository = repository
        self._revision = revision
        self._patterns = patterns
        self._say = say
        self._cached = Cached(repository)
        self._endpoint = os.environ.get("HF_ENDPOINT") or None

    def folder(self, update: bool) -> Path:
        """Its folder, with all that is wanted in it."""
        commit = self._cached.commit(self._revision)
        if commit and not update and self._cached.complete(commit, self._patterns):
            return self._cached.snapshot(commit)
        try:
            if os.environ.get("HF_HUB_OFFLINE", "").lower() in _YES:
                raise _Unreachable("HF_HUB_OFFLINE forbids to use the network")
            sha, sizes = self._ask(commit if commit and not update else self._revision)
            self._download(sha, sizes)
        except _Unreachable as problem:
            return self._as_others_left_it(str(problem))
        return self._cached.snapshot(sha)

    def _ask(self, revision: str) -> tuple[str, dict[str, int]]:
        """The commit of a revision, and the size in bytes of each file that is wanted of it."""
        with self._errors():
            from huggingface_hub import HfApi

            info: Any = HfApi(endpoint=self._endpoint).model_info(
                self._repository, revision=revision, files_metadata=True, timeout=30
            )
        sha = str(info.sha)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        names = matching(sizes, self._patterns)
        exact = [name for name in self._patterns if not set("*?[") & set(name)]
        lacking = [name for name in exact if name not in sizes]
        if lacking or not names:
            raise FailedPrecondition(
                f"{self._repository} at {self._revision} has no {' or '.join(lacking or self._patterns)}; "
                f"it has: {', '.join(sorted(sizes))}"
            )
        if self._cached.commit(self._revision) != sha:
            self._say(
                f"{self._repository}: {self._revision} is {sha} now, and stays that here until it is updated"
            )
        self._cached.write_down(self._revision, sha, sorted(sizes))
        return sha, {name: sizes[name] for name in names}

    def _download(self, commit: str, sizes: Mapping[str, int]) -> None:
        missing = self._cached.missing(commit, sizes)
        if not missing:
            return
        self._cached.clear()
        total = sum(sizes[name] for name in missing)
        self._say(
            f"{self._repository}: fetching {_megabytes(total)} MB, at revision {commit}"
        )
        with (
            self._errors(),
            self._progress(commit, {name: sizes[name] for name in missing}),
        ):
            from huggingface_hub import hf_hub_download

            for name in missing:
                hf_hub_download(
                    self._repository,
                    name,
                    revision=commit,
                    cache_dir=cache_folder(),
                    endpoint=self._endpoint,
                )
        self._say(f"{self._repository}: complete, in {self._cached.snapshot(commit)}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns what the Hub's client raises into what people can act on.

        Raises:
            FailedPrecondition: asking again would not help.
            _Unreachable: it might.
        """
        try:
            from huggingface_hub import errors
        except ModuleNotFoundError:
            raise FailedPrecondition(
                f"{self._repository} is on the Hugging Face Hub, which needs a package: pip install huggingface_hub"
            ) from None
        try:
            yield
        except errors.GatedRepoError:
            problem = (
                "its owner wants terms to be accepted: do that on its page on the Hub, then set HF_TOKEN to a token "
                "of your account"
            )
        except errors.RepositoryNotFoundError:
            problem = "there is none of this name, or it is private: check the name, or set HF_TOKEN to a token that may read it"
        except errors.RevisionNotFoundError:
            problem = f"it has no revision {self._revision!r}"
        except Exception as error:  # those of its HTTP client differ by version
            if isinstance(error, OSError) and error.errno in _OF_THE_FOLDER:
                raise FailedPrecondition(
                    f"{self._repository} cannot be kept in {cache_folder()}: {error.strerror}. Make room or mend the "
                    "folder, or name another one with HF_HOME."
                ) from error
            raise _Unreachable(_in_one_line(error)) from error
        else:
            return
        raise FailedPrecondition(
            f"{self._repository} cannot be fetched from the Hugging Face Hub: {problem}"
        )

    @contextmanager
    def _progress(self, commit: str, sizes: Mapping[str, int]) -> Iterator[None]:
        """Bars on a terminal, a line now and again elsewhere."""
        from huggingface_hub.utils.tqdm import (
            are_progress_bars_disabled,
            disable_progress_bars,
        )

        if sys.stderr.isatty() and not are_progress_bars_disabled():
            yield
            return
        disable_progress_bars()
        total = sum(sizes.values())
        over = threading.Event()

        def tell() -> None:
            while not over.wait(PROGRESS_SECONDS):
                here = min(self._cached.bytes_here(commit, sizes), total)
                self._say(
                    f"{self._repository}: {_megabytes(here)} of {_megabytes(total)} MB"
                )

        teller = threading.Thread(target=tell, name="download progress", daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()

    def _as_others_left_it(self, problem: str) -> Path:
        """What is in the cache though we have not put it there.

        Raises:
            FailedPrecondition: that is nothing, or seems to be only a part of it.
        """
        commit = self._cached.left_by_others(self._revision, self._patterns)
        if commit:
            folder = self._cached.snapshot(commit)
            log.warning("taking a model as it is", folder=str(folder), reason=problem)
            return folder
        raise FailedPrecondition(
            f"{self._repository} at {self._revision} is not complete in {cache_folder()} and cannot be fetched from the "
            f"Hugging Face Hub: {problem}. Check the network and try again, or fetch it where there is one "
            f"(antiphon fetch {self._repository}) and bring the folder here."
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f}" if count >= 10e6 else f"{count / 1e6:.1f}"


def _in_one_line(error: Exception) -> str:
    said = " ".join(str(error).split())[:300].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
