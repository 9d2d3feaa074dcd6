"""What of the history the model gets to read."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.context import (
    AHEAD,
    KEPT,
    MARGIN,
    MOST_SCALE,
    Context,
    TooLong,
)
from gateway.conversation.memory import INVALID_ARGUMENT
from gateway.conversation.prompt import Message
from gateway.conversation.tokens import of_message
from gateway.conversation.values import (
    Failure,
    Outcome,
    Policy,
    Speaker,
    Stage,
    ToolCall,
    Usage,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.talker import PAUSE, Talker

SYSTEM = (Message(Speaker.SYSTEM, "Be kind."),)
SIZE = 400


def user(text: str) -> Message:
    return Message(Speaker.USER, text)


def reply(text: str) -> Message:
    return Message(Speaker.ASSISTANT, text)


def talk(turns: int, words: int = 10) -> list[Message]:
    """Questions and answers of ``words`` tokens each, and a last question."""
    said: list[Message] = []
    for index in range(turns):
        said += [user(f"{index} " + "word " * words), reply("word " * words)]
    return [*said, user("And?")]


def cost(messages: tuple[Message, ...]) -> int:
    return sum(map(of_message, messages))


def prompts(context: Context, history: list[Message]) -> list[tuple[Message, ...]]:
    """All that a model would have been asked on the way."""
    return [
        context.prompt(SYSTEM, history[: end + 1])
        for end, message in enumerate(history)
        if message.speaker in (Speaker.USER, Speaker.TOOL)
    ]


@st.composite
def turns_of(draw: st.DrawFn, number: int) -> list[Message]:
    texts = st.integers(0, 12).map(lambda words: "word " * words)
    turn = [user(f"{number} {draw(texts)}")]
    for round_ in range(draw(st.integers(0, 2))):
        calls = tuple(
            ToolCall(f"{number}{round_}{which}", "f", draw(texts))
            for which in range(draw(st.integers(1, 2)))
        )
        turn.append(Message(Speaker.ASSISTANT, "", tool_calls=calls))
        turn += [
            Message(Speaker.TOOL, draw(texts), tool_call_id=call.id) for call in calls
        ]
    if draw(st.booleans()):
        turn.append(reply(f"a{number} {draw(texts)}"))
    return turn


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    turns = draw(st.integers(1, 30))
    said = [message for turn in range(turns) for message in draw(turns_of(turn))]
    return [*said, user("last " + "word " * draw(st.integers(0, 40)))]


sizes = st.integers(300, 1200)
scales = st.sampled_from((0.5, 1.0, 1.7))


def scaled(size: int, scale: float) -> Context:
    """A context whose model counts ``scale`` tokens for each of ours, and has said so."""
    context = Context(size, reply=size // 8, tools=20)
    long = (user("word " * size),)
    context.learn(long, round((cost(long) + 20) * scale))
    return context


@settings(deadline=None)
@given(histories(), sizes, scales)
def test_a_prompt_and_its_reply_stay_within_the_context(
    history: list[Message], size: int, scale: float
) -> None:
    prompt = scaled(size, scale).prompt(SYSTEM, history)
    room = size * (1 - MARGIN) - size // 8
    assert (cost(prompt) + 20) * scale <= room


@settings(deadline=None)
@given(histories(), sizes)
def test_a_prompt_is_the_instructions_and_the_newest_turns_in_order(
    history: list[Message], size: int
) -> None:
    prompt = Context(size).prompt(SYSTEM, history)
    assert prompt[:1] == SYSTEM
    assert prompt[-1] == history[-1]
    assert list(prompt[1:]) == history[-(len(prompt) - 1) :]


@settings(deadline=None)
@given(histories(), sizes)
def test_turns_leave_whole_and_calls_with_their_results(
    history: list[Message], size: int
) -> None:
    prompt = Context(size).prompt(SYSTEM, history)
    assert prompt[1].speaker is Speaker.USER
    calls = {call.id for message in prompt for call in message.tool_calls}
    results = {message.tool_call_id for message in prompt} - {""}
    assert calls == results


@settings(deadline=None)
@given(histories(), sizes)
def test_the_same_history_makes_the_same_prompt_whatever_was_asked_before(
    history: list[Message], size: int
) -> None:
    context = Context(size)
    asked = [try_prompt(context, history[:end]) for end in range(1, len(history) + 1)]
    context.prompt(SYSTEM, [user("something else")])
    again = [try_prompt(context, history[:end]) for end in range(1, len(history) + 1)]
    anew = [
        try_prompt(Context(size), history[:end]) for end in range(1, len(history) + 1)
    ]
    assert asked == again == anew


def try_prompt(context: Context, history: list[Message]) -> tuple[Message, ...] | None:
    try:
        return context.prompt(SYSTEM, history)
    except TooLong:
        return None


@settings(deadline=None)
@given(histories(), sizes)
def test_prompts_begin_alike_until_there_is_no_room_for_one_that_does(
    history: list[Message], size: int
) -> None:
    context = Context(size)
    room = size * (1 - MARGIN) - cost(SYSTEM)
    before: tuple[Message, ...] = ()
    for end in range(len(history)):
        prompt = try_prompt(context, history[: end + 1])
        if prompt is None:
            before = ()
            continue
        if prompt[: len(before)] != before:
            assert cost((*before[1:], history[end])) > room * (1 - AHEAD)
            one = sum(message.speaker is Speaker.USER for message in prompt) == 1
            assert cost(prompt[1:]) <= room * KEPT or one
        before = prompt


def test_many_prompts_begin_alike_before_a_block_of_turns_leaves() -> None:
    firsts = [prompt[1].text for prompt in prompts(Context(1000), talk(200))]
    blocks = len(set(firsts))
    assert blocks > 3
    # 0.34 of the room is 11 turns of 28 tokens.
    assert len(firsts) / blocks > 10


def test_what_alone_is_too_long_is_refused_with_numbers() -> None:
    context = Context(SIZE)
    long = user("word " * SIZE)
    with pytest.raises(TooLong, match=rf"about {SIZE + 6} tokens.* context of {SIZE} "):
        context.prompt(SYSTEM, [*talk(3), reply("Yes."), long])
    assert context.prompt(SYSTEM, [user("short")])[1].text == "short"


def test_a_long_result_leaves_with_its_turn_and_takes_no_other_along_for_good() -> None:
    context = Context(SIZE)
    call = ToolCall("c", "f", "{}")
    history = [
        *talk(2),
        Message(Speaker.ASSISTANT, "", tool_calls=(call,)),
        Message(Speaker.TOOL, "word " * SIZE, tool_call_id="c"),
    ]
    with pytest.raises(TooLong):
        context.prompt(SYSTEM, history)
    assert context.prompt(SYSTEM, [*history, user("So?")]) == (*SYSTEM, user("So?"))


def test_room_is_left_for_the_reply_and_the_tools() -> None:
    history = talk(30)
    most = len(Context(1000).prompt(SYSTEM, history))
    assert len(Context(1000, reply=300).prompt(SYSTEM, history)) < most
    assert len(Context(1000, tools=300).prompt(SYSTEM, history)) < most


def test_a_reply_that_may_be_longer_than_the_context_leaves_half_of_it() -> None:
    assert Context(SIZE, reply=32_768).prompt(SYSTEM, [user("word " * 100)])


def test_instructions_and_tools_have_to_leave_room_to_say_something() -> None:
    assert Context(SIZE).fits(SYSTEM)
    assert not Context(SIZE, tools=SIZE - 80).fits(SYSTEM)
    assert not Context(SIZE).fits([Message(Speaker.SYSTEM, "word " * (SIZE - 80))])


def test_a_model_that_counts_more_reads_less() -> None:
    history, context = talk(30), Context(1000)
    before = context.prompt(SYSTEM, history)
    context.learn(before, round(cost(before) * 1.5))
    after = context.prompt(SYSTEM, history)
    assert cost(after) * 1.5 <= 1000 * (1 - MARGIN)


def test_a_model_that_counts_much_less_reads_more() -> None:
    history, context = talk(60), Context(1000)
    before = context.prompt(SYSTEM, history)
    context.learn(before, round(cost(before) * 0.4))
    assert cost(context.prompt(SYSTEM, history)) > cost(before)


def test_a_model_that_counts_a_little_less_or_nothing_changes_nothing() -> None:
    history, context = talk(60), Context(1000)
    before = context.prompt(SYSTEM, history)
    context.learn(before, round(cost(before) * 0.8))
    context.learn(before, 0)
    assert context.prompt(SYSTEM, history) == before


def test_nothing_is_learnt_from_a_prompt_that_is_mostly_template() -> None:
    history, context = talk(60), Context(1000)
    before = context.prompt(SYSTEM, history)
    context.learn((*SYSTEM, user("Hi")), 200)
    context.refused((*SYSTEM, user("Hi")))
    assert context.prompt(SYSTEM, history) == before


def test_what_is_learnt_is_bounded() -> None:
    context = Context(1000)
    long = (user("word " * 600),)
    context.learn(long, 1_000_000)
    words = round(900 / MOST_SCALE) - 20
    assert context.prompt((), [user("word " * words)])
    context.learn(long, 1)
    with pytest.raises(TooLong):
        context.prompt((), [user("word " * 2000)])


def test_a_model_that_counts_much_more_still_leaves_room_to_say_something() -> None:
    context = Context(1000, reply=300)
    beginning = (Message(Speaker.SYSTEM, "word " * 300),)
    asked = context.prompt(beginning, talk(1))
    context.learn(asked, round(cost(asked) * 2.5))
    assert context.fits(beginning)
    assert context.prompt(beginning, [*talk(9), user("Hi")])[-1] == user("Hi")


def test_a_refused_prompt_makes_the_next_ones_shorter_but_never_hopeless() -> None:
    history, context = talk(60), Context(1000, tools=300)
    before = context.prompt(SYSTEM, history)
    for _ in range(9):
        context.refused(context.prompt(SYSTEM, history))
    after = context.prompt(SYSTEM, history)
    assert cost(after) < cost(before)
    assert context.fits(SYSTEM)
    context.learn(before, 300)
    assert context.prompt(SYSTEM, history) == after


# --- in a conversation ------------------------------------------------------------------------------------


def failures(driver: Driver) -> list[tuple[Stage, int] | None]:
    return [
        ended.failure and (ended.failure.stage, ended.failure.code)
        for ended in driver.all(c.TellTurnEnded)
    ]


def test_a_text_that_is_too_long_fails_its_turn_and_is_forgotten() -> None:
    driver = Driver(context=Context(SIZE))
    driver.tell(e.TextSaid("word " * SIZE, respond=True))
    assert failures(driver) == [(Stage.GATEWAY, INVALID_ARGUMENT)]
    assert driver.all(c.Generate) == []
    driver.tell(e.TextSaid("short", respond=True))
    assert prompt(driver) == [("user", "short")]


def test_one_that_is_too_long_takes_nothing_along_that_was_said_before() -> None:
    driver = Driver(context=Context(SIZE))
    driver.answer(driver.ask("Why?"), "Because.", 1.0)
    driver.wait(5.0)
    driver.tell(e.TextSaid("word " * SIZE, respond=True))
    driver.tell(e.TextSaid("short", respond=True))
    assert [text for _, text in prompt(driver)] == ["Why?", "Because.", "short"]


def test_what_is_too_long_is_neither_read_ahead_nor_answered_ahead() -> None:
    talker = Talker(Policy(prefill=True), context=Context(SIZE))
    long = "word " * SIZE
    talker.speak(1.0)
    talker.tell(e.PartialHeard(talker.utterance(), long, len(long)))
    talker.hear(PAUSE)
    talker.understood(long)
    assert [prepare.opening for prepare in talker.all(c.Prepare)] == [True]
    assert talker.all(c.Generate) == []
    talker.hear(1.0)
    assert failures(talker) == [(Stage.GATEWAY, INVALID_ARGUMENT)]


def test_what_the_model_counts_is_learnt_from_its_answers() -> None:
    driver = Driver(context=Context(SIZE))
    ref = driver.ask("word " * 150)
    driver.tell(e.TextWritten(ref, "Yes."))
    driver.tell(e.ReplyWritten(ref, Usage(prompt=320)))
    driver.tell(e.AudioSpoken(ref, 0.0, 0.1, b""))
    driver.tell(e.ReplySpoken(ref))
    driver.wait(5.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    driver.tell(e.TextSaid("word " * 150, respond=True))
    assert len(prompt(driver)) == 1
    driver.tell(e.TextSaid("word " * 180, respond=True))
    assert failures(driver)[-1] == (Stage.GATEWAY, INVALID_ARGUMENT)


def test_a_prompt_that_the_model_refuses_is_followed_by_a_shorter_one() -> None:
    driver = Driver(context=Context(SIZE))
    for _ in range(3):
        driver.answer(driver.ask("word " * 90), "Yes.", 1.0)
        driver.wait(5.0)
    ref = driver.ask("And?")
    asked = prompt(driver)
    driver.tell(e.StageFailed(ref, Failure(Stage.LLM, INVALID_ARGUMENT, "too long")))
    driver.ask("And?")
    assert len(prompt(driver)) < len(asked)
    assert prompt(driver)[-1] == ("user", "And?")


def test_a_model_that_was_not_asked_refuses_nothing() -> None:
    driver = Driver()
    driver.ask("Why?")
    driver.speak(1.0)
    driver.hear(0.6)
    unheard = driver.ref()
    driver.tell(e.StageFailed(unheard, Failure(Stage.LLM, INVALID_ARGUMENT, "no")))
    assert len(driver.all(c.Generate)) == 2
    assert prompt(driver) == [("user", "Why?")]


def test_where_turns_leave_the_rest_is_read_again_before_the_user_speaks() -> None:
    driver = Driver(Policy(prefill=True), Context(SIZE))
    turns = 12
    for number in range(turns):
        driver.answer(driver.ask(f"{number} " + "word " * 30), "Yes.", 1.0)
        driver.wait(5.0)
    asked = [
        command
        for command in driver.done
        if isinstance(command, c.Generate | c.Prepare)
    ][1:]
    begun_anew = 0
    for before, after in itertools.pairwise(asked):
        if before.messages[1] == after.messages[1]:
            continue
        begun_anew += 1
        assert isinstance(after, c.Prepare)
        assert after.messages[-1].speaker is Speaker.ASSISTANT
    assert 1 < begun_anew < turns / 2
    assert begun_anew == sum(isinstance(command, c.Prepare) for command in asked)
