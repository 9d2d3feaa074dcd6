"""``python -m services.stt.prefetch`` fetches the model that the service would run with."""

from services.runtime.prefetch import prefetch
from services.stt.engines import weights
from services.stt.settings import SpeechToTextSettings

FINDERS = {"whisper": weights.whisper, "parakeet": weights.parakeet}


def main() -> None:
    """Fetch it, by the settings of the environment and the command line."""
    settings = SpeechToTextSettings.load()
    model = settings.model or weights.DEFAULT_MODELS[settings.engine]
    prefetch(settings, {model: FINDERS[settings.engine]})


if __name__ == "__main__":
    main()
