"""Parakeets in miniature: a random one, and one that understands telephone tones."""

from pathlib import Path

import pytest

from tests.models.checkpoints import parakeet, toy_parakeet


@pytest.fixture(scope="session")
def tiny() -> Path:
    return parakeet.tiny()


@pytest.fixture(scope="session")
def toy() -> Path:
    return toy_parakeet.toy()
