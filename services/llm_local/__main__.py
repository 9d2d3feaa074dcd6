"""Run the local language-model server: ``python -m services.llm_local``."""

from services.llm_local.server import run
from services.llm_local.settings import LocalModelSettings


def main() -> None:
    """Serve until told to stop."""
    run(LocalModelSettings.load())


if __name__ == "__main__":
    main()
