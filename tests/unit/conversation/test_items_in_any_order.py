"""What must hold of the history whatever is said, put, deleted, called and cut in whatever order."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation.calls import PENDING
from gateway.conversation.commands import Refuse
from gateway.conversation.memory import Memory
from gateway.conversation.values import ROOT, Image, Item, Outcome, Speaker, ToolCall
from tests.unit.conversation.remembering import REFUSED, answer, ids, memory, user

ACTIONS = (
    "speak", "hear", "hear_beside", "hear_nothing", "say", "note", "show", "ask", "reply", "call", "call", "result", "result", "expire",
    "answered", "answered", "called", "cut_off", "refused", "put", "put", "put_result", "put_call", "delete", "truncate", "cut",
)  # fmt: skip
MOST = 12
steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), min_size=5, max_size=60
)


class Chaos:
    """Does what the two sides of a conversation do to its memory, in any order that they might, and random things."""

    def __init__(self) -> None:
        self.memory = memory(most_items=MOST, most_image_bytes=10)
        self.utterances: list[str] = []
        self.asked = False
        self.replying = False
        self.calls: list[ToolCall] = []
        self.made = 0

    def some(self, which: int) -> str:
        """The id of an item, or of none."""
        return (ids(self.memory)[::-1] + ["gone"] * 6)[which]

    def act(self, action: str, which: int) -> None:
        remembered = self.memory
        self.made += 1
        match action:
            case "speak":
                self.utterances.append(remembered.reserve())
                remembered.user_speaks(self.utterances[-1])
            case "hear" | "hear_beside" | "hear_nothing" if self.utterances:
                text = "" if action == "hear_nothing" else f"heard {self.made}"
                beside = action == "hear_beside" or self.asked
                remembered.heard(self.utterances.pop(0), text, beside)
            case "say" if not self.asked:
                remembered.user_says(f"said {self.made}")
            case "note":
                remembered.note(f"noted {self.made}")
            case "show":
                picture = Image(b"x" * (which + 1), "image/png")
                remembered.note("", (picture,))
            case "ask" if not self.asked:
                remembered.prompt()
                self.asked = True
            case "reply" if self.asked and not self.replying:
                remembered.reply_begins(remembered.reserve(), spoken=which > 1)
                self.replying = True
            case "call" if self.asked:
                self.calls.append(ToolCall(f"c{self.made}", "f", "{}"))
                remembered.call(self.calls[-1], remembered.reserve())
            case "result":
                remembered.take_result(f"c{self.made - which}", "result")
            case "expire":
                remembered.expire()
            case "answered" | "called" | "cut_off" | "refused" if self.asked:
                self.end(action)
            case "put":
                speaker = (Speaker.USER, Speaker.ASSISTANT, Speaker.SYSTEM)[which % 3]
                after = (None, ROOT, self.some(which))[which % 3]
                self.put(Item(f"put{which}", speaker, f"put {self.made}"), after)
            case "put_result":
                call_id = f"c{self.made - which}"
                self.put(Item("", Speaker.TOOL, "result", call_id=call_id), None)
            case "put_call":
                made = ToolCall(f"c{self.made}", "f", "{}")
                self.put(Item("", Speaker.ASSISTANT, call=made), self.some(which))
            case "delete":
                remembered.delete(self.some(which))
            case "truncate":
                remembered.truncate(self.some(which), "put")
            case "cut":
                remembered.cut_reply("ans")

    def put(self, item: Item, after: str | None) -> None:
        kept = self.memory.put(item, after)
        assert isinstance(kept, Refuse) or self.memory.item(kept.id) in (kept, None)

    def end(self, how: str) -> None:
        outcome = {
            "answered": Outcome.ANSWERED,
            "called": Outcome.TOOL_CALLS,
            "cut_off": Outcome.INTERRUPTED,
            "refused": Outcome.FAILED,
        }[how]
        text = "answered" if self.replying else ""
        over = answer(text, *self.calls)
        over.prompt = self.memory.beginning()
        heard = text[:3] if how == "cut_off" else text
        failure = REFUSED if how == "refused" else None
        before = ids(self.memory)
        forgotten = self.memory.answered(over, outcome, heard, failure)
        assert set(forgotten) <= set(before) - set(ids(self.memory))
        self.asked, self.replying, self.calls = False, False, []


def after(actions: list[tuple[str, int]]) -> Chaos:
    chaos = Chaos()
    for action, which in actions:
        chaos.act(action, which)
        check(chaos.memory)
    return chaos


def check(remembered: Memory) -> None:
    """What holds after every step."""
    found = ids(remembered)
    assert len(found) == len(set(found))
    assert len(found) <= 3 * MOST
    for item_id in found:
        item = remembered.item(item_id)
        assert item is not None
        assert item.id == item_id


@settings(max_examples=300, deadline=None)
@given(steps)
def test_prompts_alternate_and_each_call_has_its_result_behind_it(
    actions: list[tuple[str, int]],
) -> None:
    remembered = after(actions).memory
    messages = remembered.prompt()[1:]
    assert messages[0].speaker is Speaker.USER
    assert messages[-1].speaker in (Speaker.USER, Speaker.TOOL)
    for one, other in pairwise(messages):
        assert one.speaker is not other.speaker or one.speaker is Speaker.TOOL
    for index, message in enumerate(messages):
        wanted = sorted(call.id for call in message.tool_calls)
        following = messages[index + 1 : index + 1 + len(wanted)]
        assert sorted(result.tool_call_id for result in following) == wanted
    calls = [call.id for message in messages for call in message.tool_calls]
    results = [m.tool_call_id for m in messages if m.tool_call_id]
    assert sorted(calls) == sorted(results)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_what_is_supposed_is_what_is_asked_once_it_was_said(
    actions: list[tuple[str, int]],
) -> None:
    chaos = after(actions)
    if chaos.asked:
        chaos.end("answered")
    remembered = chaos.memory
    supposed = remembered.supposing("And now?")
    remembered.user_speaks("said", "And now?")
    assert remembered.prompt() == supposed


@settings(max_examples=300, deadline=None)
@given(steps)
def test_an_answer_stands_behind_what_the_model_was_asked_and_before_what_came_later(
    actions: list[tuple[str, int]],
) -> None:
    chaos = after(actions)
    if chaos.asked:
        chaos.end("answered")
    remembered = chaos.memory
    remembered.prompt()
    last = remembered.last_id
    remembered.put(user("later"), None)
    remembered.reply_begins("reply")
    assert remembered.before("reply") == last
    remembered.call(ToolCall("c", "f", "{}"), "call")
    assert remembered.before("call") == "reply"


@settings(max_examples=300, deadline=None)
@given(steps)
def test_a_call_that_is_waited_for_is_remembered(
    actions: list[tuple[str, int]],
) -> None:
    chaos = after(actions)
    if chaos.asked:
        chaos.end("called")
    if chaos.memory.waiting:
        assert PENDING in [message.text for message in chaos.memory.prompt()]
