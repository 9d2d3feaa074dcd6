"""``python -m gateway.prefetch`` fetches the models that the gateway would hear with."""

from gateway.hearing import weights
from gateway.settings import GatewaySettings
from services.runtime.prefetch import prefetch


def main() -> None:
    """Fetch them, by the settings of the environment and the command line."""
    settings = GatewaySettings.load()
    wanted = {settings.voice_model: weights.voice}
    if settings.end_model not in weights.NO_MODEL:
        wanted[settings.end_model] = weights.ending
    prefetch(settings, wanted)


if __name__ == "__main__":
    main()
