"""Spans reach a collector as what the standard variables say; one that is not there costs a line."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping

import pytest

from tests.fakes.otlp import receiving

WORK = """
import sys
from opentelemetry.context import Context
from services.runtime import logs
from services.runtime.errors import AntiphonError
from services.runtime.settings import ProcessSettings
from services.runtime.telemetry import metrics, names, tracing

logs.configure(ProcessSettings.load(["--log-format=json", "--log-level=debug"]))
try:
    provider = tracing.configure("stt")
except AntiphonError as error:
    sys.exit(str(error))
if provider is None:
    print("off")
    sys.exit()
for overruns in ((), ("llm", "total"), ()):
    with tracing.tracer.start_as_current_span(names.TURN_SPAN, Context()) as turn:
        tracing.tracer.start_span(names.GENERATE_SPAN).end()
        turn.set_attribute(names.OVERRUNS, overruns)
    if "flush" in sys.argv:
        provider.force_flush()
tracing.tracer.start_span("other", Context()).end()
provider.shutdown()
(family,) = metrics.SPANS_LOST.collect()
print(family.samples[0].value)
"""


async def work(environment: Mapping[str, str], *flags: str) -> tuple[str, list[str]]:
    """What it prints, and its log."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORK,
        *flags,
        env={**os.environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, log = await process.communicate()
    return out.decode().strip(), log.decode().splitlines()


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, ["generate", "turn"] * 3 + ["other"]),
        (
            {
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0",
            },
            ["generate", "turn"],
        ),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, ["generate", "turn"]),
    ],
    ids=["all", "a share of none", "none"],
)
async def test_the_standard_sampler_decides_but_for_turns_that_overran(
    variables: dict[str, str], names: list[str]
) -> None:
    async with receiving() as receiver:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
        lost, log = await work(endpoint | variables)
        found = [receiver.spans.get_nowait() for _ in range(receiver.spans.qsize())]
    assert {service for service, _ in found} == {"antiphon-stt"}
    assert [span.name for _, span in found] == names
    assert (lost, log) == ("0.0", [])


async def test_a_process_says_what_it_is_unless_the_operator_does() -> None:
    variables = {
        "OTEL_SERVICE_NAME": "ears",
        "OTEL_RESOURCE_ATTRIBUTES": "host.name=over-there,deployment.environment=test",
    }
    async with receiving() as receiver:
        await work({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint} | variables)
        first = receiver.resources[0]
        await work({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint})
        second = receiver.resources[-1]
    assert first["service.name"] == "ears"
    assert first["host.name"] == "over-there"
    assert first["deployment.environment"] == "test"
    assert first["service.namespace"] == second["service.namespace"] == "antiphon"
    assert first["service.version"]
    assert second["service.name"] == "antiphon-stt"
    assert second["host.name"] == socket.gethostname()
    assert first["service.instance.id"] != second["service.instance.id"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1", "OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
async def test_without_a_collector_there_are_no_traces(
    variables: dict[str, str],
) -> None:
    assert await work(variables) == ("off", [])


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "soon"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "zip"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "allowed: grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "allowed: grpc"),
        ("OTEL_TRACES_EXPORTER", "console", "allowed: otlp, none"),
        ("OTEL_TRACES_SAMPLER", "ratio", "allowed: always_on, always_off"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cret", "allowed: NAME=VALUE"),
    ],
)
async def test_a_wrong_variable_is_told_in_one_line(
    variable: str, value: str, said: str
) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", variable: value}
    _, (line,) = await work(variables)
    assert "OTEL_" in line and said in line
    assert "s3cret" not in line


@pytest.mark.parametrize("ratio", ["7", "-1", "nan", "10%"])
async def test_a_share_of_traces_is_one(ratio: str) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": ratio,
    }
    _, (line,) = await work(variables)
    assert line.endswith(
        f"OTEL_TRACES_SAMPLER_ARG is '{ratio}'; allowed: a number from 0 to 1"
    )


async def test_how_others_pass_on_their_traces_is_not_ours() -> None:
    assert await work({"OTEL_PROPAGATORS": "b3"}) == ("off", [])


async def test_a_collector_that_is_not_there_costs_the_spans_and_one_line() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        lost, log = await work({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, "flush")
    assert lost == "7.0"
    (line,) = log
    assert "Failed to export" in line and "UNAVAILABLE" in line
