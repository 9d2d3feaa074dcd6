"""Who an upstream is said to be."""

import pytest

from services.llm.settings import UpstreamSettings
from services.llm.spans import provider


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"provider": "cerebras"}, "cerebras"),
        ({"provider": "auto"}, "huggingface"),
        ({"base_url": "https://api.cerebras.ai/v1"}, "cerebras"),
        ({"base_url": "https://api.openai.com/v1"}, "openai"),
        ({"base_url": "https://router.huggingface.co/v1"}, "huggingface"),
        ({"base_url": "http://127.0.0.1:8081/v1"}, "openai_compatible"),
        ({"base_url": "https://api.openai.com.example/v1"}, "openai_compatible"),
    ],
)
def test_a_provider_is_named_by_the_settings_or_its_address(
    place: dict[str, str], expected: str
) -> None:
    assert provider(UpstreamSettings(name="any", **place)) == expected
