import ast
import types
import typing
from pathlib import Path
from typing import Any

import openai.types.realtime as sdk
import pytest
from pydantic import BaseModel

from gateway.fronts.realtime import schema, table
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.schema import ResponseParams
from gateway.fronts.realtime.table import Does, Row

ROOT = Path(__file__).parents[3]
TABLE = table.load()
ROWS = [(part, row) for part in table.PARTS for row in TABLE[part]]
OURS_ALONE = {
    "temperature",
    "antiphon.waterfall",
    "antiphon.ducking",
    "antiphon.partials",
}
"""Fields that the official SDK does not know: the beta's, and our own."""


def kinds(union: Any) -> set[str]:
    """The types of a union of events."""
    models = typing.get_args(typing.get_args(union)[0])
    return {
        typing.get_args(model.model_fields["type"].annotation)[0] for model in models
    }


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    if typing.get_origin(annotation) in (list, tuple, dict):
        return []
    return [
        model for inner in typing.get_args(annotation) for model in models_in(inner)
    ]


def paths(model: type[BaseModel], within: str = "") -> set[str]:
    """Paths of all fields of a model and of the models in it, innermost alone."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = models_in(field.annotation)
        below = [paths(other, f"{within}{name}.") for other in inner]
        found |= set().union(*below) if below else {f"{within}{name}"}
    return found


def names(part: str) -> set[str]:
    return {row.name for row in TABLE[part]}


def covers(row: str, path: str) -> bool:
    return path == row or path.startswith(f"{row}.")


def test_every_client_event_of_the_sdk_has_a_row_and_no_other() -> None:
    assert names("client") == kinds(sdk.RealtimeClientEvent)
    assert names("client") == set(schema.CLIENT_EVENTS)


def test_every_server_event_of_the_sdk_has_a_row_and_no_other() -> None:
    assert names("server") == kinds(sdk.RealtimeServerEvent)
    assert len(names("server")) == 46


@pytest.mark.parametrize(
    ("part", "theirs", "ours"),
    [
        ("session", sdk.RealtimeSessionCreateRequest, RealtimeSession),
        ("response", sdk.RealtimeResponseCreateParams, ResponseParams),
    ],
)
def test_every_field_has_a_row_and_no_other(
    part: str, theirs: type[BaseModel], ours: type[BaseModel]
) -> None:
    known = paths(theirs)
    for path in known | paths(ours):
        assert any(covers(row, path) for row in names(part)), path
    for row in names(part) - OURS_ALONE:
        assert any(covers(row, path) for path in known), row


@pytest.mark.parametrize(
    ("part", "row"), ROWS, ids=lambda value: getattr(value, "name", value)
)
def test_what_is_said_is_shown_by_a_test(part: str, row: Row) -> None:
    if row.does is Does.NEVER:
        assert part == "server"
        assert row.how
        assert not row.test
        return
    path, _, function = row.test.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text())
    there = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert function.startswith("test_")
    assert function in there


def test_what_is_never_sent_is_in_no_code() -> None:
    code = [path.read_text() for path in (ROOT / "gateway").rglob("*.py")]
    for row in TABLE["server"]:
        if row.does is Does.NEVER:
            assert not any(f'"{row.name}"' in text for text in code), row.name


def test_the_page_has_the_tables_as_they_are() -> None:
    page = (ROOT / "docs" / "realtime.md").read_text()
    assert table.filled_in(page) == page, (
        "python -m gateway.fronts.realtime.table docs/realtime.md"
    )
    for part in table.PARTS:
        assert f"<!-- table: {part} -->" in page
        assert table.to_markdown(TABLE[part]) in page
