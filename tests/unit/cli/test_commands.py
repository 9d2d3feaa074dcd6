"""The ``antiphon`` command as scripts use it: a process of its own against a scripted gateway."""

import asyncio
import errno
import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.llm_pb2 import LanguageModelDescribeResponse, ModelAlias
from antiphon.v1.stage_pb2 import EngineInfo
from antiphon.v1.stt_pb2 import SpeechToTextDescribeResponse
from antiphon.v1.tts_pb2 import TextToSpeechDescribeResponse, Voice
from services.runtime.errors import InvalidArgument
from tests.fakes.gateway import Exchange, scripted_gateway

_MAIN = "from antiphon.cli import main; main(prog_name='antiphon')"


@dataclass(frozen=True)
class Outcome:
    status: int | None
    out: str
    err: str


async def _antiphon(*arguments: str, **environment: str) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _MAIN,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "100", **environment},
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return Outcome(process.returncode, out.decode(), err.decode())


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """0.2 s of stereo at 44.1 kHz."""
    path = tmp_path / "question.flac"
    soundfile.write(path, np.full((8_820, 2), 0.25), 44_100)
    return path


async def _answer(exchange: Exchange) -> None:
    await exchange.heard(0.1)
    await exchange.say(speech_started=pb.SpeechStarted())
    await exchange.say(partial_transcript=pb.PartialTranscript(text="Hello"))
    await exchange.heard(0.2)
    await exchange.turn(1, said="Hello there.", answer=("Good ", "day."))


async def test_a_recording_is_answered_and_the_answer_saved(
    question: Path, tmp_path: Path
) -> None:
    answer = tmp_path / "out" / "answer.wav"
    async with scripted_gateway(_answer) as gateway:
        done = await _antiphon(
            "talk", str(question), "--gateway", gateway.target, "-o", str(answer)
        )
        sent = np.frombuffer(bytes(gateway.exchanges[0].audio), "<i2")
    assert done.status == 0, done.err
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[:3] == ["hearing: Hello", "you: Hello there.", "antiphon: Good day."]
    assert any(line.startswith("total") and "812 ms" in line for line in lines)
    assert lines[-1] == f"Saved {answer}"
    samples, rate = soundfile.read(answer, dtype="int16")
    assert (len(samples), rate) == (2_400, 24_000)
    assert sent[1_000:2_000].mean() == pytest.approx(0.25 * 32_768, rel=0.01)
    assert not sent[3_400:].any(), "silence follows the recording"


async def test_scripts_get_one_json_object_and_nothing_else(
    question: Path, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.wav"
    async with scripted_gateway(_answer) as gateway:
        done = await _antiphon(
            "talk",
            str(question),
            "--json",
            "-o",
            str(answer),
            ANTIPHON_GATEWAY=gateway.target,
        )
    assert (done.status, done.err) == (0, "")
    said = json.loads(done.out)
    assert said["answered"] is True
    assert said["conversation_id"] == "scripted-1"
    assert said["transcript"] == "Hello there."
    assert said["answer"] == "Good day."
    assert said["waterfall"]["total_ms"] == 812.0
    assert said["files"] == {"question": str(question), "answer": str(answer)}
    assert said["turns"][0]["outcome"] == "answered"


async def test_wishes_reach_the_gateway(question: Path, tmp_path: Path) -> None:
    async with scripted_gateway(_answer) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target, "--voice", "joe"),
            *("--language", "en", "--instructions", "Be brief.", "--model", "big"),
            *("--silence", "0.3", "--speed", "1.5", "-o", str(tmp_path / "a.wav")),
            *("--interrupt", "never", "--idle", "30"),
        )
        config = gateway.exchanges[0].config
    assert done.status == 0, done.err
    assert (config.voice, config.language, config.model) == ("joe", "en", "big")
    assert (config.instructions, config.speed) == ("Be brief.", 1.5)
    assert config.turn_taking.silence.silence.ToMilliseconds() == 300
    assert config.turn_taking.interrupt == pb.INTERRUPT_POLICY_NEVER
    assert config.idle.after.ToSeconds() == 30
    assert config.idle.what.say
    assert not config.HasField("greeting")
    assert config.interim_transcripts
    assert config.input_format.sample_rate == 16_000


async def test_a_voice_to_imitate_goes_along_with_what_is_said_in_it(
    question: Path, tmp_path: Path
) -> None:
    async with scripted_gateway(_answer) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target),
            *("--voice-instructions", "softly", "--imitate", str(question)),
            *("--imitate-says", "Hello there.", "-o", str(tmp_path / "a.wav")),
        )
        config = gateway.exchanges[0].config
    assert done.status == 0, done.err
    assert config.voice_instructions == "softly"
    reference = config.voice_reference
    assert reference.format.sample_rate == 24_000
    recorded = soundfile.info(question)
    assert abs(len(reference.samples) / 48_000 - recorded.duration) < 0.01
    assert reference.transcript == "Hello there."


async def test_wishes_that_contradict_each_other_are_one_line_and_exit_status_2(
    question: Path,
) -> None:
    done = await _antiphon(
        *("talk", str(question), "--turn-taking", "push-to-talk"),
        *("--eagerness", "high"),
    )
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert "--eagerness" in done.err
    assert "push-to-talk" in done.err


async def test_numbers_that_are_none_are_exit_status_2(question: Path) -> None:
    done = await _antiphon("talk", str(question), "--idle", "nan")
    assert done.status == 2
    assert "'--idle': 'nan'" in done.err


async def test_several_turns_are_awaited_and_their_answers_follow_each_other(
    question: Path, tmp_path: Path
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.1)
        await exchange.turn(1, said="One.", answer=("First.",), audio=b"\x01\x00" * 100)
        await exchange.say(speech_started=pb.SpeechStarted())
        # More silence than a client sends that waits for nothing.
        await exchange.heard(0.2 + 0.1 + 0.7 + 0.3)
        assert not exchange.half_closed
        await exchange.turn(2, said="Two.", answer=("Second.",), audio=b"\x02\x00" * 50)

    answer = tmp_path / "answer.wav"
    async with scripted_gateway(script) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--json", "-o", str(answer)),
            *("--gateway", gateway.target),
        )
    assert done.status == 0, done.err
    said = json.loads(done.out)
    assert (said["transcript"], said["answer"]) == ("One. Two.", "First. Second.")
    samples, _ = soundfile.read(answer, dtype="int16")
    assert samples.tolist() == [1] * 100 + [2] * 50


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_failed_turn_is_exit_status_1_and_says_which_stage(
    question: Path, tmp_path: Path, as_json: bool
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.1)
        error = pb.TurnError(stage="llm", code=14, message="start the upstream")
        await exchange.turn(
            1, answer=(), audio=b"", outcome=pb.TURN_OUTCOME_FAILED, error=error
        )

    async with scripted_gateway(script) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target),
            *("-o", str(tmp_path / "answer.wav"), *(["--json"] if as_json else [])),
        )
    assert done.status == 1
    if as_json:
        error = json.loads(done.out)["turns"][0]["error"]
        assert error == {"stage": "llm", "code": 14, "message": "start the upstream"}
    else:
        assert "turn 1 failed in llm: start the upstream" in done.out
        assert "No answer." in done.err
    assert not (tmp_path / "answer.wav").exists()


async def test_a_recording_without_speech_is_exit_status_1(
    question: Path, tmp_path: Path
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.closed()

    async with scripted_gateway(script) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target),
            *("-o", str(tmp_path / "answer.wav")),
        )
    assert (done.status, done.err.strip()) == (1, "No speech was heard.")


async def test_a_gateway_that_falls_silent_is_given_up(
    question: Path, tmp_path: Path
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.1)
        await exchange.say(speech_started=pb.SpeechStarted())
        await exchange.closed()

    async with scripted_gateway(script) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target, "--timeout", "0.3"),
            *("-o", str(tmp_path / "answer.wav")),
        )
    assert done.status == 1
    assert "no news for 0.3 s (conversation scripted-1)" in done.err


async def test_a_refused_wish_is_exit_status_2_and_names_what_is_allowed(
    question: Path, tmp_path: Path
) -> None:
    async def script(exchange: Exchange) -> None:
        raise InvalidArgument("config.voice", "there is no voice 'x'", ["joe"])

    async with scripted_gateway(script) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target, "--voice", "x"),
            *("-o", str(tmp_path / "answer.wav")),
        )
    assert done.status == 2
    assert done.err.strip() == "config.voice: there is no voice 'x'; allowed: joe"


async def test_nobody_there_is_exit_status_3_and_says_what_to_start(
    question: Path,
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{held.getsockname()[1]}"
        done = await _antiphon("talk", str(question), "--gateway", target)
        assert done.status == 3
        assert target in done.err
        assert "antiphon up" in done.err
        assert (await _antiphon("describe", "--gateway", target)).status == 3


async def test_files_that_are_no_audio_are_exit_status_2(tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_bytes(b"no audio")
    for arguments in (
        (str(text),),
        (str(tmp_path / "missing.wav"),),
        (str(text), "-o", "answer.txt"),
    ):
        done = await _antiphon("talk", *arguments)
        assert done.status == 2, done
        assert "Traceback" not in done.err


async def test_an_answer_that_cannot_be_saved_is_refused_before_anybody_talks(
    question: Path, tmp_path: Path
) -> None:
    below_a_file = tmp_path / "question.flac" / "answer.wav"
    async with scripted_gateway(_answer) as gateway:
        done = await _antiphon(
            *("talk", str(question), "--gateway", gateway.target),
            *("-o", str(below_a_file)),
        )
        assert gateway.exchanges == []
    assert done.status == 2
    assert os.strerror(errno.ENOTDIR) in done.err
    demo = await _antiphon("demo", "-o", str(below_a_file))
    assert (demo.status, demo.out) == (2, "")


async def test_describe_lists_voices_models_and_what_is_away() -> None:
    description = pb.ConversationDescribeResponse(
        stt=SpeechToTextDescribeResponse(
            engine=EngineInfo(engine="whisper", model="tiny.en"), languages=["en"]
        ),
        tts=TextToSpeechDescribeResponse(
            voices=[Voice(name="joe", languages=["en-US"], description="[calm] voice")]
        ),
    )
    async with scripted_gateway(_answer, description=description) as gateway:
        done = await _antiphon("describe", "--gateway", gateway.target)
        description.llm.CopyFrom(
            LanguageModelDescribeResponse(
                models=[ModelAlias(name="default", model="smol", upstreams=["local"])]
            )
        )
        again = await _antiphon("describe", "--gateway", gateway.target)
    assert done.status == 0, done.err
    assert "whisper: tiny.en" in done.out
    assert "[calm] voice" in done.out
    assert "cannot be reached" in done.out
    assert "smol at local" in again.out
    assert "cannot be reached" not in again.out


async def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\nfrom antiphon.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'grpc', 'numpy', 'rich', 'pydantic', 'soundfile'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert b"antiphon talk question.wav" in out


async def test_every_command_explains_itself() -> None:
    for command in ("talk", "up", "demo", "fetch", "describe", "trace"):
        done = await _antiphon(command, "--help")
        assert done.status == 0
        assert f"Usage: antiphon {command}" in done.out
    assert (await _antiphon("--version")).out.startswith("antiphon ")


async def test_up_names_the_port_that_is_taken_and_the_variable_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        done = await _antiphon(
            "up", "--only", "gateway", ANTIPHON_GATEWAY_PORT=str(port)
        )
    assert done.status == 1
    assert f"port {port} (gateway)" in done.err
    assert "ANTIPHON_GATEWAY_PORT" in done.err


async def test_up_recognises_an_antiphon_that_runs_already() -> None:
    async with scripted_gateway(_answer) as gateway:
        port = gateway.target.rpartition(":")[2]
        done = await _antiphon("up", "--only", "gateway", ANTIPHON_GATEWAY_PORT=port)
    assert done.status == 1
    assert f"running already, at {gateway.target}" in done.err
