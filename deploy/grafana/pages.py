"""All dashboards."""

import json

from deploy.grafana import gateway, llm, overview, saturation, speech
from deploy.grafana.dashboard import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.OVERVIEW,
    speech.STT,
    llm.LLM,
    speech.TTS,
    gateway.GATEWAY,
    saturation.SATURATION,
)


def every() -> dict[str, str]:
    """Name and text of every file."""
    return {
        f"{dashboard.uid}.json": json.dumps(dashboard.json(), indent=2) + "\n"
        for dashboard in DASHBOARDS
    }
