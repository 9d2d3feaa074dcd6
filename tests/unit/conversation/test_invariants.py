"""What must hold whatever happens in whatever order: random policies, events, times, duplicates and stragglers."""

from dataclasses import replace

from hypothesis import given, settings

from gateway.conversation import commands as c
from gateway.conversation.values import (
    Endpointing,
    Outcome,
    Ref,
    Refusal,
    Speculated,
    TurnTaking,
)
from tests.unit.conversation.chaos import Talk, run, tag, talks


@settings(max_examples=200, deadline=None)
@given(talks)
def test_words_and_audio_reach_the_client_only_of_the_one_revision_that_answers_a_decided_turn(
    talk: Talk,
) -> None:
    decided: set[int] = set()
    responding: int | None = None
    generated: set[Ref] = set()
    cancelled: set[str] = set()
    revision: dict[int, str] = {}
    done = run(talk).done
    drafts = {note.ref for note in done if isinstance(note, c.NoteSpeculation)}
    behind_the_door = set(map(tag, drafts))
    undecided = {
        note.ref.turn
        for note in done
        if isinstance(note, c.NoteSpeculation) and note.outcome is Speculated.USED
    }
    for command in done:
        match command:
            case c.Generate(ref):
                assert ref not in generated
                generated.add(ref)
            case c.NoteSpeculation(ref, Speculated.USED):
                behind_the_door.discard(tag(ref))
                undecided.discard(ref.turn)
            case c.CancelReply(ref):
                cancelled.add(tag(ref))
            case c.TellTranscript(turn):
                assert turn not in decided
                decided.add(turn)
            case c.TellResponding(turn):
                assert responding is None
                responding = turn
                decided.add(turn)
            case c.TellReplyStarted(turn) | c.TellToolCall(turn):
                assert turn == responding
                assert turn not in undecided
            case c.TellText(turn, text) if text.startswith("["):
                assert turn == responding
                assert revision.setdefault(turn, text) == text
                assert text not in cancelled | behind_the_door
                assert text in map(tag, generated)
            case c.TellAudio(turn, _, _, samples):
                assert turn == responding
                text = samples.decode()
                assert revision.setdefault(turn, text) == text
                assert text not in cancelled | behind_the_door
            case c.TellTurnEnded(turn) if turn == responding:
                responding = None


@settings(max_examples=150, deadline=None)
@given(talks)
def test_the_history_holds_no_word_of_a_revision_that_was_never_told(
    talk: Talk,
) -> None:
    chaos = run(talk)
    told = {command.text for command in chaos.all(c.TellText)}
    for message in chaos.history.messages():
        if message.speaker.value == "assistant":
            words = {f"[{word}" for word in message.text.split("[") if word[-1:] == "]"}
            assert words <= told


@settings(max_examples=150, deadline=None)
@given(talks)
def test_turns_are_counted_one_by_one_and_each_ends_once(talk: Talk) -> None:
    chaos = run(talk)
    ended = [command.turn for command in chaos.all(c.TellTurnEnded)]
    assert sorted(ended) == list(range(1, len(ended) + 1))
    assert chaos.core.turn == len(ended)


@settings(max_examples=150, deadline=None)
@given(talks)
def test_all_that_is_opened_is_finished_or_cancelled_and_the_conversation_closes(
    talk: Talk,
) -> None:
    chaos = run(talk)
    hearing: set[Ref] = set()
    for command in chaos.done:
        match command:
            case c.Transcribe(ref):
                assert not hearing
                hearing.add(ref)
            case c.TakeCheckpoint(ref) | c.ResumeTranscribe(ref):
                assert ref in hearing
            case c.FinishTranscribe(ref) | c.CancelTranscribe(ref):
                hearing.discard(ref)
    assert not hearing
    assert len(chaos.all(c.Close)) == 1
    assert isinstance(chaos.done[-1], c.Close)
    assert chaos.core.wake_at(chaos.now) is None


@settings(max_examples=150, deadline=None)
@given(talks)
def test_no_two_answers_are_made_at_once_and_what_is_given_up_is_cancelled_in_the_same_step(
    talk: Talk,
) -> None:
    making: Ref | None = None
    given_up: Ref | None = None
    for command in run(talk).done:
        if given_up is not None:
            assert command == c.CancelReply(given_up)
            given_up = making = None
            continue
        match command:
            case c.Generate(ref):
                assert making is None
                making = ref
            case c.CancelReply(ref) if ref == making:
                making = None
            case c.TellTurnEnded(turn, outcome) if making and turn == making.turn:
                if outcome in (
                    Outcome.INTERRUPTED,
                    Outcome.CANCELLED,
                    Outcome.FAILED,
                ):
                    given_up = making
                making = None
    assert given_up is None


@settings(max_examples=150, deadline=None)
@given(talks)
def test_every_draft_has_one_end_and_there_are_no_more_than_allowed(
    talk: Talk,
) -> None:
    chaos = run(talk)
    noted = [note.ref for note in chaos.all(c.NoteSpeculation)]
    assert len(noted) == len(set(noted))
    assert set(noted) <= {command.ref for command in chaos.all(c.Generate)}
    for turn in {ref.turn for ref in noted}:
        drafts = sum(ref.turn == turn for ref in noted)
        assert drafts <= chaos.policy.speculations
    for note in chaos.all(c.NoteSpeculation):
        cancelled = c.CancelReply(note.ref) in chaos.done
        assert cancelled or note.outcome is Speculated.USED


@settings(max_examples=150, deadline=None)
@given(talks)
def test_an_answer_that_was_ducked_is_raised_again_or_over(talk: Talk) -> None:
    ducked: int | None = None
    for command in run(talk).done:
        match command:
            case c.TellDucked(turn, True):
                assert ducked is None
                ducked = turn
            case c.TellDucked(turn, False):
                assert ducked == turn
                ducked = None
            case c.TellTurnEnded(turn) if turn == ducked:
                ducked = None
    assert ducked is None


@settings(max_examples=150, deadline=None)
@given(talks)
def test_what_was_heard_is_a_beginning_of_what_was_written(talk: Talk) -> None:
    written: dict[int, str] = {}
    for command in run(talk).done:
        match command:
            case c.TellText(turn, text):
                written[turn] = written.get(turn, "") + text
            case c.TellTurnEnded(turn=turn, heard_text=heard):
                assert written.get(turn, "").startswith(heard)


@settings(max_examples=150, deadline=None)
@given(talks)
def test_every_waterfall_adds_up_and_no_share_is_negative(talk: Talk) -> None:
    for command in run(talk).done:
        if isinstance(command, c.TellTurnEnded) and command.waterfall is not None:
            fall = command.waterfall
            shares = (fall.endpointing, fall.stt, fall.llm, fall.tts, fall.gateway)
            assert abs(sum(shares) - fall.saved - fall.total) < 1e-6
            assert min(*shares, fall.saved) > -1e-6


@settings(max_examples=150, deadline=None)
@given(talks)
def test_prompts_alternate_and_every_tool_call_has_its_result_behind_it(
    talk: Talk,
) -> None:
    for generate in run(talk).all(c.Generate):
        messages = list(generate.messages)
        assert messages[-1].speaker.value in ("user", "tool")
        for index, message in enumerate(messages):
            wanted = {call.id for call in message.tool_calls}
            following = messages[index + 1 : index + 1 + len(wanted)]
            assert {m.tool_call_id for m in following} == wanted
        calls = {call.id for message in messages for call in message.tool_calls}
        assert {
            message.tool_call_id for message in messages if message.tool_call_id
        } <= calls
        spoken = [
            m.speaker.value
            for m in messages
            if m.speaker.value in ("user", "assistant")
        ]
        assert "user user" not in " ".join(spoken)


@settings(max_examples=150, deadline=None)
@given(talks)
def test_an_answer_that_is_announced_ends_once_and_what_nobody_answers_is_not_announced(
    talk: Talk,
) -> None:
    chaos = run(talk)
    announced = [command.turn for command in chaos.all(c.TellResponding)]
    assert len(announced) == len(set(announced))
    outcomes = {ended.turn: ended.outcome for ended in chaos.all(c.TellTurnEnded)}
    assert set(announced) <= set(outcomes)
    assert Outcome.HEARD not in {outcomes[turn] for turn in announced}
    unannounced = {outcomes[turn] for turn in set(outcomes) - set(announced)}
    assert unannounced <= {
        Outcome.HEARD,
        Outcome.EMPTY,
        Outcome.FAILED,
        Outcome.INTERRUPTED,
        Outcome.CANCELLED,
    }


@settings(max_examples=150, deadline=None)
@given(talks)
def test_what_a_client_asks_to_be_answered_is_refused_at_once_or_answered_once(
    talk: Talk,
) -> None:
    chaos = run(talk)
    refused = [
        refuse for refuse in chaos.all(c.Refuse) if refuse.why is Refusal.ANSWERING
    ]
    announced = [told.wish for told in chaos.all(c.TellResponding) if told.wish]
    assert len(announced) == len(set(announced))
    assert set(announced) <= set(chaos.wished)
    assert len(announced) + len(refused) == len(chaos.wished)


@settings(max_examples=150, deadline=None)
@given(talks)
def test_items_have_names_of_their_own_and_stand_behind_items_that_exist(
    talk: Talk,
) -> None:
    chaos = run(talk)
    assert chaos.misplaced == []
    named = [
        command.item.id if isinstance(command, c.TellItem) else command.item
        for command in chaos.done
        if isinstance(
            command,
            c.TellCommitted
            | c.TellReplyStarted
            | c.TellToolCall
            | c.TellItem
            | c.TellIdle,
        )
    ]
    made_up = [name for name in named if name != "mine"]
    assert len(made_up) == len(set(made_up))


@settings(max_examples=150, deadline=None)
@given(talks)
def test_of_what_the_user_said_the_text_follows_or_why_there_is_none(
    talk: Talk,
) -> None:
    awaited: set[str] = set()
    for command in run(talk).done:
        match command:
            case c.TellCommitted(item):
                awaited.add(item)
            case c.TellTranscript(item=item) | c.TellUnheard(item=item):
                awaited.discard(item)
            case c.TellItemDeleted(item):
                awaited.discard(item)
    assert awaited == set()


@settings(max_examples=150, deadline=None)
@given(talks)
def test_an_answer_in_text_alone_is_never_given_to_the_voice(talk: Talk) -> None:
    chaos = run(talk)
    spoken = {speak.ref for speak in chaos.all(c.Speak)}
    assert not spoken & chaos.silent
    silent = {ref.turn for ref in chaos.silent} - {ref.turn for ref in spoken}
    assert not silent & {audio.turn for audio in chaos.all(c.TellAudio)}


@settings(max_examples=150, deadline=None)
@given(talks)
def test_with_push_to_talk_nothing_but_a_commit_makes_a_turn_of_what_was_said(
    talk: Talk,
) -> None:
    policy, size, actions = talk
    manual = TurnTaking(Endpointing.MANUAL, interrupt=policy.turns.interrupt)
    policy = replace(policy, turns=manual, buffered=True)
    actions = [did for did in actions if did[0] not in ("manner", "turns")]
    commits = sum(action == "commit" for action, _ in actions)
    assert len(run((policy, size, actions)).all(c.TellCommitted)) <= commits
