"""llama.cpp's own OpenAI-compatible server, as ``xllamacpp`` brings it, from our settings.

It runs in threads of its own; this process's main thread waits for the signal to end.
"""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.llm_local.settings import LocalModelSettings
from services.runtime import hub, logs, models
from services.runtime.errors import AntiphonError, FailedPrecondition

log = logs.get_logger(__name__)

_STOP = (signal.SIGTERM, signal.SIGINT)

ASK_SECONDS = 0.1
"""Between two looks at what is still worked on."""

_REQUESTS = re.compile(
    r"^llamacpp:requests_(?:processing|deferred) (\S+)$", re.MULTILINE
)


def run(settings: LocalModelSettings) -> None:
    """Serve until told to stop; leaves with status 1 if it cannot start."""
    logs.configure(settings)
    try:
        # It may be downloaded for minutes, in which the signals still end the process.
        path = find_model(settings.model)
        with _loading():
            server = start(settings, path)
    except AntiphonError as error:
        log.error("cannot start", reason=str(error))
        sys.exit(1)
    print(
        f"llm_local: {path.name} at {server.listening_address}/v1, {settings.slots} slots",
        flush=True,
    )
    signal.sigwait(_STOP)
    finish(server, settings.drain_seconds)
    # Dropping the last reference stops its threads and frees the model.
    del server


@contextmanager
def _loading() -> Iterator[None]:
    """Signals to stop end the process within, and wait for ``sigwait`` from then on.

    llama.cpp holds Python's lock as long as it loads: no handler would run. What its threads inherit stays blocked, so
    that none of them is ended half-way.
    """
    loaded = threading.Event()
    for number in _STOP:
        signal.signal(number, signal.SIG_DFL)
    # The one thread that does not block them: it inherits the mask as it still is.
    heeding = threading.Thread(target=loaded.wait, daemon=True)
    heeding.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        yield
    finally:
        loaded.set()
        heeding.join()


def finish(server: Any, seconds: float) -> None:
    """Wait for replies in progress; another signal to stop changes nothing.

    Args:
        server: that writes them.
        seconds: to wait at most.
    """
    until = time.monotonic() + seconds
    while working_on(server.handle_metrics()) and time.monotonic() < until:
        signal.sigtimedwait(_STOP, ASK_SECONDS)


def working_on(exposition: str) -> int:
    """Requests that are worked on, or wait for it, as llama.cpp's metrics say.

    Args:
        exposition: of the metrics, in Prometheus's text format.
    """
    return sum(int(float(count)) for count in _REQUESTS.findall(exposition))


def find_model(model: str) -> Path:
    """The weights that the settings name.

    Raises:
        FailedPrecondition: they are not there.
    """
    if model.endswith(".gguf") and ":" not in model:
        path = Path(model).expanduser()
        if not path.is_file():
            raise FailedPrecondition(f"there is no file {path}")
        return path
    if ":" in model:
        place = hub.parse(model)
        if place is None or not place.file:
            raise FailedPrecondition(
                f"{model!r} is no file on the Hugging Face Hub: name it OWNER/NAME:FILE or OWNER/NAME@REVISION:FILE"
            )
        return hub.fetch(place.repository, (place.file,), place.revision) / place.file
    files = sorted(models.locate(model).glob("*.gguf"))
    if not files:
        raise FailedPrecondition(
            f"model {model!r} is no language model (no .gguf file)"
        )
    return files[0]


def start(settings: LocalModelSettings, path: Path) -> Any:
    """Load the model and listen.

    Raises:
        FailedPrecondition: the weights cannot be loaded, or the port is taken.
    """
    # Read once, when the library is loaded: a thread that spins for work would starve the other engines here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {settings.model}
    parameters.hostnames = [settings.host]
    parameters.port = settings.port
    parameters.n_parallel = settings.slots
    # The whole, of which each slot has its equal share as long as kv_unified is off.
    parameters.n_ctx = settings.slots * settings.context
    parameters.kv_unified = False
    parameters.n_batch = parameters.n_ubatch = settings.prompt_batch
    for cpu, threads in (
        (parameters.cpuparams, settings.threads),
        (parameters.cpuparams_batch, settings.prompt_threads),
    ):
        cpu.n_threads = threads
        cpu.poll = 0
    parameters.sampling.temp = settings.temperature
    parameters.sampling.top_p = settings.top_p
    parameters.sampling.penalty_repeat = settings.repeat_penalty
    # The second cache, of prompts that left their slot, is never asked where requests name their slot.
    parameters.cache_ram_mib = 0
    parameters.cors_origins = ""
    parameters.ui = False
    # Tells when it is done with all requests.
    parameters.endpoint_metrics = True
    parameters.verbosity = 3 if settings.log_level == "debug" else 1
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise FailedPrecondition(
            f"llama.cpp cannot serve {path} on {settings.host}:{settings.port} ({error}); "
            "is the port free, and the file a GGUF model?"
        ) from error
