"""``python -m services.stt`` runs the speech-to-text service."""

import os

from services.runtime.server import run
from services.stt.service import SpeechToTextService
from services.stt.settings import SpeechToTextSettings


def main() -> None:
    """Run the service with the settings of the environment and the command line."""
    # OpenMP threads that spin while they wait take the core from the other stages of the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settings = SpeechToTextSettings.load()
    run(SpeechToTextService(settings), settings)


if __name__ == "__main__":
    main()
