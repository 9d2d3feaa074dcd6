"""Keys on the command line."""

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from services.runtime.keys import hashed
from tests.fakes.certificates import make
from tests.fakes.doors import doors

KEY = "ak_kitchen"


async def antiphon(*arguments: str, **environment: str) -> tuple[int, str, str]:
    code = "from antiphon.cli import main; main(prog_name='antiphon')"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("name", ["kitchen", 'Tom\'s "robot": 2', "#1"])
async def test_a_new_key_goes_to_its_holder_and_its_hash_to_the_file(name: str) -> None:
    status, out, err = await antiphon("key", "new", name)
    assert status == 0
    key = out.strip()
    assert key.startswith("ak_") and key not in err
    (line,) = [line for line in err.splitlines() if line.startswith("- ")]
    assert yaml.safe_load(line) == [{"name": name, "hash": hashed(key)}]


async def test_a_name_that_is_no_line_is_refused() -> None:
    status, out, err = await antiphon("key", "new", "two\nlines")
    assert (status, out) == (1, "")
    assert "one line" in err


async def test_a_certificate_that_signed_itself_is_named(tmp_path: Path) -> None:
    pair = make(tmp_path)
    async with doors(tls_cert=str(pair.cert), tls_key=str(pair.key)) as here:
        at = ("--gateway", here.grpc)
        status, out, err = await antiphon("describe", *at, "--ca", str(pair.cert))
        assert status == 0, err
        assert "scripted" in out
        status, _, err = await antiphon("describe", *at, "--tls")
        assert status == 3
        assert "cannot be reached" in err


async def test_talk_sends_the_key_and_says_how_where_there_is_none(
    tmp_path: Path,
) -> None:
    question = tmp_path / "question.wav"
    loud = np.sin(np.arange(8_000) * 0.17) * 0.5
    soundfile.write(question, np.concatenate([loud, np.zeros(9_600)]), 16_000)
    async with doors(api_keys=f"kitchen:{hashed(KEY)}") as here:
        talk = ("talk", str(question), "--gateway", here.grpc, "--no-play")
        output = ("-o", str(tmp_path / "answer.wav"))
        status, _, err = await antiphon(*talk, *output)
        assert status == 1
        assert "a key is needed" in err and "ANTIPHON_API_KEY" in err
        status, out, err = await antiphon(*talk, *output, ANTIPHON_API_KEY=KEY)
    assert status == 0, err
    assert "antiphon: " in out
