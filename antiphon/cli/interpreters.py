"""Which Python runs a stage: engines on PyTorch have environments of their own (``requirements/README.md``)."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from antiphon.cli.failures import CommandError

PYTHON = "python"
"""What is set by ``ANTIPHON_<STAGE>_PYTHON``. It is no setting of the stage's, which cannot choose any more."""

_ELSEWHERE: Mapping[str, str] = {"stt-parakeet": "nemo", "tts-qwen3": "qwen_tts"}
"""Extras that cannot be installed beside all others, and a package that tells where they are."""


class BadInterpreter(CommandError):
    """No Python can run a stage with the engine that is chosen."""


def find_interpreter(
    stage: str, engine: str, variable: str, environment: Mapping[str, str] = os.environ
) -> str:
    """Path of the Python that runs a stage with an engine.

    It is the one that the user has named; this one, if the engine's packages are here; else that of the environment
    ``.venv-STAGE-ENGINE`` beside ours, which ``make setup-models`` makes.

    Args:
        stage: name of the process.
        engine: name of its engine; empty where it has no choice.
        variable: environment variable in which the user may have named one.
        environment: where it would be.

    Raises:
        BadInterpreter: there is none; the message says how to make one.
    """
    extra = f"{stage}-{engine}"
    if named := environment.get(variable):
        path = Path(named).expanduser()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise BadInterpreter(f"{variable}={named}: there is no such program")
        return str(path)
    if extra not in _ELSEWHERE or find_spec(_ELSEWHERE[extra]):
        return sys.executable
    own = Path(sys.prefix).with_name(f".venv-{extra}") / "bin" / "python"
    if own.exists():
        return str(own)
    raise BadInterpreter(
        f"engine {engine!r} of {stage} needs packages that are not installed. In a checkout: make setup-models "
        f"EXTRA={extra}. Elsewhere: pip install 'antiphon[{extra}]' into an environment of its own, and name its Python "
        f"in {variable}."
    )
