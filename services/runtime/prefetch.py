"""Fetching a process's models before it runs, by the settings that it will run with."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from services.runtime import logs, models
from services.runtime.errors import AntiphonError
from services.runtime.settings import ProcessSettings

log = logs.get_logger(__name__)


def prefetch(
    settings: ProcessSettings, wanted: Mapping[str, Callable[[str], Path]]
) -> None:
    """Fetch models, and say where they lie; leaves with status 1 if one cannot be had.

    Args:
        settings: of the process.
        wanted: by the model's name, what the process finds it with: where a download is needed, that makes it.
    """
    logs.configure(settings)
    catalogue = models.catalogue()
    try:
        models.fetch(
            [catalogue[name] for name in wanted if name in catalogue], log.info
        )
        for name, find in wanted.items():
            print(f"{name}: in {find(name)}", flush=True)
    except AntiphonError as error:
        log.error("cannot fetch", reason=str(error))
        sys.exit(1)
