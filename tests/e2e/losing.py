"""A text-to-speech process whose engine fails for good at the word "oh"."""

from services.runtime.server import run
from services.tts.service import TextToSpeechService
from services.tts.settings import TextToSpeechSettings
from tests.fakes.chorus import ScriptedChorus

if __name__ == "__main__":
    settings = TextToSpeechSettings.load()
    run(TextToSpeechService(settings, ScriptedChorus(lost_on="oh")), settings)
