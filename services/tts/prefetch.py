"""``python -m services.tts.prefetch`` fetches the model that the service would run with."""

from pathlib import Path

from services.runtime.prefetch import prefetch
from services.tts.engines import DEFAULT_MODELS, weights
from services.tts.settings import TextToSpeechSettings


def _piper(model: str) -> Path:
    """Its voice, cut as the engine wants it: where it runs, it may be unable to keep the halves."""
    from services.tts.engines.vits import split

    return split(weights.piper(model))


FINDERS = {"piper": _piper, "qwen3": weights.qwen3}


def main() -> None:
    """Fetch it, by the settings of the environment and the command line."""
    settings = TextToSpeechSettings.load()
    model = settings.model or DEFAULT_MODELS[settings.engine]
    prefetch(settings, {model: FINDERS[settings.engine]})


if __name__ == "__main__":
    main()
