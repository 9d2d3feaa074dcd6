"""The page for a bug report: it needs nothing beside itself, and nothing in it is taken for markup."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from antiphon.cli.trace.choice import summary
from antiphon.cli.trace.page import page, verdict
from tests.fakes import turns

MADE = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>&amp;"
VOID = {"meta", "br", "path", "rect"}


class Parsed(HTMLParser):
    """A page, taken apart.

    Attributes:
        elements: name and attributes of each.
        text: what is to be read.
        unclosed: elements that are open.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.unclosed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for _, attributes in self.elements
            if name in (attributes.get("class") or "").split()
        ]


def _page(*made: turns.Turn, **gateway: object) -> Parsed:
    return Parsed(_text(*made, **gateway))


def _text(*made: turns.Turn, **gateway: object) -> str:
    document = turns.document(*made, **gateway)
    return page(document.gateway, document.turns, MADE)


ALL = (turns.ahead(1), turns.slow(2), turns.failed(3), turns.bare(4))


def test_it_loads_nothing_and_runs_nothing() -> None:
    text = _text(*ALL)
    parsed = Parsed(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & {
        name for name, _ in parsed.elements
    }
    for name, attributes in parsed.elements:
        assert not any(key.startswith("on") for key in attributes), name
        assert not {"src", "srcset", "action", "xlink:href"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    assert re.findall(r"https?://", text) == []
    policy = next(m for m in parsed.of("meta") if "http-equiv" in m)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_whatever_the_gateway_says_is_text() -> None:
    turn = turns.slow(
        conversation=EVIL,
        trace_id=EVIL,
        outcome=EVIL,
        route=EVIL,
        overruns=[EVIL, "llm", "total"],
        failure={"stage": EVIL, "code": EVIL},
    )
    turn["budgets"] = {**turns.BUDGETS, EVIL: 1.0}
    turn["spans"].append(turns.span(EVIL, 0, 9) | {"attributes": {EVIL: EVIL}})
    turn["spans"].append(turns.span("generate", 3.6, 4, RPC_STATUS_CODE=EVIL))
    gateway = {
        "version": EVIL,
        "budgets": {EVIL: 1.0},
        "objectives": {EVIL: 0.5},
        "settings": {EVIL: EVIL},
    }
    honest, parsed = _page(turns.slow(), settings={"a": "b"}), _page(turn, **gateway)
    assert parsed.unclosed == []
    assert {name for name, _ in parsed.elements} == {
        name for name, _ in honest.elements
    }
    keys = {key for _, attributes in honest.elements for key in attributes}
    assert {key for _, attributes in parsed.elements for key in attributes} == keys
    assert parsed.text.count(EVIL) >= 10


def test_every_picture_is_told_in_words_and_has_its_numbers_in_tables() -> None:
    parsed = _page(*ALL)
    pictures = [each for _, each in parsed.elements if each.get("role") == "img"]
    assert len(pictures) == 3
    label = pictures[1]["aria-label"] or ""
    assert "generate 1.10 s, over its budget of 750 ms" in label
    assert "speculate 350 ms, given up" in label
    assert "synthesize 500 ms, failed" in (pictures[2]["aria-label"] or "")
    assert len(parsed.of("details")) == 3
    assert len(parsed.of("caption")) == 2 + 2 + 1 + 2
    assert all(heading.get("scope") in ("row", "col") for heading in parsed.of("th"))


def test_what_overran_is_marked_and_said() -> None:
    parsed = _page(turns.slow())
    lanes = [each["class"] for each in parsed.with_class("lane")]
    assert [kinds for kinds in lanes if "over" in (kinds or "").split()] == [
        "lane llm over",
        "lane total over",
    ]
    assert (
        "llm took 1.10 s: 350 ms over its budget of 750 ms. "
        "The turn took 1.75 s: 550 ms over its budget of 1.20 s."
    ) in parsed.text
    assert "2 drafts were given up." in parsed.text
    assert len(parsed.with_class("given-up")) == 5 + 1


def test_bars_stay_on_their_axis() -> None:
    for _, attributes in _page(*ALL).elements:
        placed = re.fullmatch(
            r"--from:([\d.-]+);--size:([\d.-]+)", attributes.get("style") or ""
        )
        if placed:
            at, size = float(placed[1]), float(placed[2])
            assert at >= 0
            assert size >= 0
            assert at + size <= 1.0001


def test_each_turn_can_be_reached_from_the_columns() -> None:
    parsed = _page(*ALL)
    (limit,) = parsed.with_class("limit")[:1]
    assert limit["style"]
    targets = {f"#{each['id']}" for each in parsed.of("article")}
    columns = parsed.of("a")
    assert {each["href"] for each in columns} == targets
    assert [each["class"] for each in columns] == ["", "over", "failed", "none"]
    assert columns[1]["aria-label"] == "turn 2: 1.75 s"


def test_budgets_objectives_and_settings_stand_below() -> None:
    patient = {**turns.BUDGETS, "total": 3.0}
    parsed = _page(
        turns.ahead(1),
        turns.ahead(2, route="patient", budgets=patient),
        settings={"eagerness": "low", "speculate": True},
    )
    assert "within budget" in parsed.text
    assert "95.0%" in parsed.text
    assert "patient" in parsed.text
    assert "3.00 s" in parsed.text
    assert "eagerness" in parsed.text
    assert "gateway 0.1.0" in parsed.text


@pytest.mark.parametrize(
    ("made", "headline"),
    [
        ([turns.ahead()], ("1 turn, within its budget", False)),
        ([turns.ahead(), turns.ahead()], ("2 turns, all within their budget", False)),
        ([turns.slow()], ("The only turn took longer than the budget", True)),
        (
            [turns.ahead(), turns.slow(), turns.failed()],
            ("1 of 3 turns failed; 1 of 2 turns took longer than the budget", True),
        ),
        ([turns.bare()], ("1 turn, none answered by speech", False)),
    ],
)
def test_the_headline_says_what_went_wrong(
    made: list[turns.Turn], headline: tuple[str, bool]
) -> None:
    assert verdict(summary(turns.document(*made).turns)) == headline
