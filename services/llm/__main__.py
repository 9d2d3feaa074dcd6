"""Run the language-model proxy: ``python -m services.llm``."""

from services.llm.service import LanguageModelService
from services.llm.settings import LlmSettings
from services.runtime.server import run


def main() -> None:
    """Serve until told to stop."""
    settings = LlmSettings.load()
    run(LanguageModelService(settings), settings)


if __name__ == "__main__":
    main()
