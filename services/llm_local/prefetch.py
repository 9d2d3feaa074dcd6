"""``python -m services.llm_local.prefetch`` fetches the model that the server would run with."""

from services.llm_local.server import find_model
from services.llm_local.settings import LocalModelSettings
from services.runtime.prefetch import prefetch


def main() -> None:
    """Fetch it, by the settings of the environment and the command line."""
    settings = LocalModelSettings.load()
    prefetch(settings, {settings.model: find_model})


if __name__ == "__main__":
    main()
