"""Keys are made where the gateway is installed, with nothing else at hand."""

import subprocess
import sys

import pytest
import yaml

from services.runtime.keys import hashed, make


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.runtime.keys", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_module_prints_a_key_and_its_line() -> None:
    done = run("kitchen")
    assert done.returncode == 0
    key = done.stdout.strip()
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("- ")]
    assert yaml.safe_load(line) == [{"name": "kitchen", "hash": hashed(key)}]


def test_two_keys_are_never_the_same() -> None:
    assert make("kitchen").key != make("kitchen").key


@pytest.mark.parametrize("arguments", [(), ("one", "two"), ("",), ("two\nlines",)])
def test_what_is_no_name_is_refused(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert not done.stdout
    assert done.stderr
