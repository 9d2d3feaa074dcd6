"""``python -m services.tts`` runs the text-to-speech service."""

import os

from services.runtime.server import run
from services.tts.service import TextToSpeechService
from services.tts.settings import TextToSpeechSettings


def main() -> None:
    """Run the service with the settings of the environment and the command line."""
    # Threads that spin while they wait take the core from the other stages of the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settings = TextToSpeechSettings.load()
    run(TextToSpeechService(settings), settings)


if __name__ == "__main__":
    main()
