"""espeak gets nothing that ends its process."""

import subprocess
import sys

import pytest

from services.tts.engines.espeak import make_digestible

PHONEMIZE = """
import sys
from piper.phonemize_espeak import EspeakPhonemizer
from services.tts.engines.espeak import make_digestible
text = make_digestible(sys.stdin.buffer.read().decode())
for voice in ("en-us", "de", "fr"):
    assert EspeakPhonemizer().phonemize(voice, text)
"""


@pytest.mark.parametrize(
    "text",
    [
        "U.S." * 50,
        "a." * 100,
        "W." * 100,
        "W. " * 1000 + "W",
        "https://" + "a." * 4000 + "com",
        "a.," * 300,
        "é." * 2000,
        "中." * 2000,
        "x.y.z." + "b" * 4000,
        "x.y.z." + "é" * 300,
        "x.y.z." + "中" * 300,
        "x.y.z. " * 900,
    ],
    ids=ascii,
)
def test_endless_words_and_abbreviations_do_not_end_the_process(text: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", PHONEMIZE],
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr.decode()


@pytest.mark.parametrize(
    "text",
    [
        "The U.S.A. and the U.K., e.g. at 3.50, i.e. now. A. B. Smith?",
        "Donaudampfschifffahrtsgesellschaft",
        "今天天气很好，我们去公园散步吧。你觉得怎么样？我觉得很好，走吧！",
        "one,two,three;four:five!" * 10,
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert make_digestible(text) == text
