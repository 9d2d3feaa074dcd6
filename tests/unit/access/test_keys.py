"""What a file of keys may hold, and what is said of one that is wrong."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access.keys import (
    CHECK_SECONDS,
    KeyFile,
    find,
    parse_file,
    parse_variable,
)
from gateway.access.limits import Limits
from services.runtime.errors import FailedPrecondition
from services.runtime.keys import hashed, new_key

HASH = hashed("ak_one")
OTHER = hashed("ak_two")
DEFAULT = Limits(conversations=3, requests_per_minute=7)


def test_a_new_key_is_long_and_no_other() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("ak_") and len(key) >= 46 for key in keys)


def test_a_key_is_found_by_what_is_kept_of_it_and_another_is_not() -> None:
    keys = parse_file(
        f'- {{name: a, hash: "{HASH}"}}\n- {{name: b, hash: "{OTHER}"}}', DEFAULT
    )
    found = find(keys, "ak_two")
    assert found is not None and found.name == "b"
    assert find(keys, "ak_three") is None
    assert find(keys, HASH) is None
    assert find(keys, "") is None


def test_what_an_entry_does_not_say_the_default_does() -> None:
    (key,) = parse_file(
        f"""
        - name: kitchen
          hash: "{HASH}"
          expires: 2027-01-31
          conversations: 1
          minutes_per_day: 30
          origins: ["https://kitchen.example"]
          realtime_rate: 16000
        """,
        DEFAULT,
    )
    assert key.limits == Limits(
        conversations=1, minutes_per_day=30, requests_per_minute=7
    )
    assert key.expires == datetime(2027, 1, 31, tzinfo=UTC)
    assert key.origins == ("https://kitchen.example",)
    assert key.realtime_rate == 16_000


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "[]"])
def test_a_file_may_hold_no_key(text: str) -> None:
    assert parse_file(text, DEFAULT) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: [", "line 1: "),
        ("\n\n- a: b: c", "line 3: "),
        ("name: kitchen", "must be a list of keys"),
        ("- kitchen", "entry 1: "),
        (f'- {{hash: "{HASH}"}}', "entry 1: name: "),
        ("- {name: a}", "entry 1: hash: must be sha256:"),
        ("- {name: a, hash: ak_plain_key}", "entry 1: hash: must be sha256:"),
        (
            f'- {{name: a, hash: "{HASH}"}}\n- {{name: b, hash: "{HASH}"}}',
            "'a' and 'b' are the same key",
        ),
        (
            f'- {{name: a, hash: "{HASH}"}}\n- {{name: a, hash: "{OTHER}"}}',
            "two keys are named 'a'",
        ),
        (
            f'- {{name: a, hash: "{HASH}", conversation: 1}}',
            "entry 1: conversation: is nothing that a key has; allowed: name, hash, ",
        ),
        (f'- {{name: a, hash: "{HASH}", conversations: 0}}', "entry 1: conversations:"),
        (
            f'- {{name: a, hash: "{HASH}", origins: [example.org]}}',
            "entry 1: origins: entry 1: ",
        ),
        (f'- {{name: a, hash: "{HASH}", expires: soon}}', "entry 1: expires: "),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place_and_without_the_key(
    text: str, said: str
) -> None:
    with pytest.raises(ValueError) as raised:
        parse_file(text, DEFAULT)
    assert said in str(raised.value)
    assert "ak_plain_key" not in str(raised.value)
    assert HASH not in str(raised.value)


def test_a_variable_holds_keys_with_names_or_without() -> None:
    keys = parse_variable(f" kitchen:{HASH}, {OTHER} ,", DEFAULT)
    assert [(key.name, key.hash) for key in keys] == [
        ("kitchen", HASH),
        ("key-2", OTHER),
    ]
    assert parse_variable("", DEFAULT) == ()


@pytest.mark.parametrize(
    "text", ["ak_plain_key", "kitchen:ak_plain_key", f"{HASH},a:b"]
)
def test_a_key_in_the_variable_instead_of_its_hash_is_refused_and_not_repeated(
    text: str,
) -> None:
    with pytest.raises(ValueError, match=r"entry \d is neither") as raised:
        parse_variable(text, DEFAULT)
    assert "plain" not in str(raised.value)


class Later:
    """A clock that goes on by as much as keys are looked up again after."""

    now = 0.0

    def __call__(self) -> float:
        self.now += CHECK_SECONDS
        return self.now


def write(path: Path, text: str) -> None:
    path.write_text(text)
    # Two writes may fall into one tick of the file system's clock.
    stamp = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(stamp, stamp))


def names(file: KeyFile) -> list[str]:
    return [key.name for key in file.current()]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: a, hash: "{HASH}"}}')
    file = KeyFile(path, DEFAULT, Later())
    assert names(file) == ["a"]
    path.write_text(f'- {{name: b, hash: "{OTHER}"}}\n# and nobody else')
    assert names(file) == ["b"]


def test_the_file_is_not_looked_at_at_every_use(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: a, hash: "{HASH}"}}')
    file = KeyFile(path, DEFAULT, lambda: 0.0)
    path.unlink()
    assert names(file) == ["a"]


@pytest.mark.parametrize("broken", ["- name: [", "kitchen", None])
def test_a_file_that_breaks_leaves_the_keys_as_they_were_and_is_told_of_once(
    broken: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: a, hash: "{HASH}"}}')
    file = KeyFile(path, DEFAULT, Later())
    with capture_logs() as logs:
        if broken is None:
            path.unlink()
        else:
            write(path, broken)
        assert names(file) == ["a"]
        assert names(file) == ["a"]
    (line,) = logs
    assert (line["log_level"], line["path"]) == ("error", str(path))
    assert line["reason"]
    write(path, f'- {{name: b, hash: "{OTHER}"}}')
    assert names(file) == ["b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), ("- x: [", "line 1"), ("- {}", "entry 1")],
)
def test_a_file_that_is_broken_at_the_start_is_named_with_what_is_wrong(
    text: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "keys.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FailedPrecondition, match=rf"KEYS=.*keys\.yaml: .*{said}"):
        KeyFile(path, DEFAULT, Later())
