"""What went wrong, turn by turn: judged by what was said, by what came over the wire, and by the next prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from services.runtime.units import to_seconds
from tests.simulator.player import Played, Reacted, Spoke, Told
from tests.simulator.words import FILLERS, bare
from tests.simulator.world import Synthesis, World, heard_in

LATE_CUT = 1.5
"""Seconds behind the last word of an interruption after which a cut does not count as its doing."""


@dataclass
class Score:
    """How one turn of the script went.

    Attributes:
        id: of the turn.
        group: of the turn.
        utterances: that deserved an answer.
        cut_off: of these, answered or decided before the user was done.
        missed: never answered.
        latencies: seconds from the true end of speech to the first audio, of those neither cut off nor missed.
        decided: seconds from there to the turn's transcript, which comes when it is decided, of the same.
        reactions: backchannels and noises that went into an answer.
        false_cuts: of these, the ones that cut it.
        unasked: answers to what was no utterance.
        interruptions: true ones that went into an answer.
        not_heeded: of these, the ones that cut nothing.
        heeded_after: seconds from their first sound to the cut, of the others.
        words: said.
        lost: words in no transcript.
        leaked: messages of audio that should not have been sent.
        cut_answers: answers whose history was compared with what was heard.
        words_off: by how many words each of them was off.
        ducked: times that the answer was ducked.
        heard: all transcripts.
        notes: what to tell people.
    """

    id: str
    group: str
    utterances: int = 0
    cut_off: int = 0
    missed: int = 0
    latencies: list[float] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)
    reactions: int = 0
    false_cuts: int = 0
    unasked: int = 0
    interruptions: int = 0
    not_heeded: int = 0
    heeded_after: list[float] = field(default_factory=list)
    words: int = 0
    lost: int = 0
    leaked: int = 0
    cut_answers: int = 0
    words_off: list[int] = field(default_factory=list)
    ducked: int = 0
    heard: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def score(played: Sequence[Played], world: World | None) -> list[Score]:
    """One score a turn of the script; ``world`` is None where the stages are not scripted."""
    made = [_turn(each) for each in played]
    if world is not None:
        for each, one in zip(played, made, strict=True):
            _count_foreign_audio(each, world, one)
        for conversation in dict.fromkeys(each.conversation for each in played):
            pairs = [
                (each, one)
                for each, one in zip(played, made, strict=True)
                if each.conversation == conversation
            ]
            _compare_history(conversation, pairs, world)
    return made


def _turn(played: Played) -> Score:
    made = Score(played.turn.id, played.turn.group)
    transcripts = [
        (told.at, told.event.turn, told.event.transcript.text)
        for told in played.told
        if isinstance(told.event, pb.UserTranscript)
    ]
    made.heard = [text for _, _, text in transcripts]
    made.ducked = sum(
        isinstance(told.event, pb.ReplyDucked) and told.event.ducked
        for told in played.told
    )
    for spoke, after in zip(played.spoke, [*played.spoke[1:], None], strict=True):
        _utterance(played, spoke, after, transcripts, made)
    _count_words(played, made)
    _count_leaks(played.told, made)
    made.unasked = len(_unasked(played))
    if made.unasked:
        made.notes.append(f"{made.unasked} answers to nothing")
    return made


def _unasked(played: Played) -> set[int]:
    """Turns with audio that answer no utterance, and were not begun in the middle of one either."""
    answered = {
        told.event.turn for told in played.told if isinstance(told.event, pb.ReplyAudio)
    }
    for spoke in played.spoke:
        until = spoke.answered_at or spoke.done
        answered -= {spoke.answer} | {
            told.event.turn
            for told in played.told
            if isinstance(told.event, pb.UserTranscript)
            and spoke.begins <= told.at <= until
        }
    return answered


def _utterance(
    played: Played,
    spoke: Spoke,
    after: Spoke | None,
    transcripts: Sequence[tuple[float, int, str]],
    made: Score,
) -> None:
    made.utterances += 1
    if decided := _decided_early(played, spoke, transcripts):
        made.cut_off += 1
        made.notes.append(f"cut off after {decided!r}")
    if spoke.answer is None:
        made.missed += 1
        made.notes.append("not answered")
    elif not decided:
        made.latencies.append(spoke.answered_at - spoke.done)
        made.decided += [
            at - spoke.done for at, turn, _ in transcripts if turn == spoke.answer
        ]
    _interruption(played, spoke, made)
    for i, reacted in enumerate(spoke.reactions):
        until = [later.begins for later in spoke.reactions[i + 1 :]]
        _reaction(
            played,
            reacted,
            min([*until, *([after.begins] if after else [])], default=None),
            made,
        )


def _decided_early(
    played: Played, spoke: Spoke, transcripts: Sequence[tuple[float, int, str]]
) -> str:
    """The transcript of a turn that was decided while this utterance was going on; empty where there was none.

    A decision shows on the wire as a transcript or as audio of a new turn. A turn decided between the words, whose
    transcript came later, shows as a turn of its own before the one that answers the utterance.
    """
    for at, turn, text in transcripts:
        if not text or at < spoke.begins or turn == spoke.into:
            continue
        split = (
            spoke.answer is not None and turn < spoke.answer and at < spoke.answered_at
        )
        if at < spoke.done or split:
            return text
    return ""


def _interruption(played: Played, spoke: Spoke, made: Score) -> None:
    if spoke.into is None:
        return
    made.interruptions += 1
    cut = _cut_at(played.told, spoke.into)
    if cut is None or not spoke.begins <= cut <= spoke.done + LATE_CUT:
        ended = _ended_at(played.told, spoke.into)
        if cut is None and ended is not None and ended < spoke.begins + 0.3:
            # It was over before anybody could have heeded anything.
            made.interruptions -= 1
            return
        made.not_heeded += 1
        made.notes.append("interruption not heeded")
        return
    made.heeded_after.append(cut - spoke.begins)


def _reaction(
    played: Played, reacted: Reacted, until: float | None, made: Score
) -> None:
    if reacted.into is None:
        return
    made.reactions += 1
    cut = _cut_at(played.told, reacted.into)
    if cut is not None and cut >= reacted.begins and (until is None or cut < until):
        made.false_cuts += 1
        made.notes.append(f"cut by {reacted.reaction}")


def _cut_at(told: Iterable[Told], turn: int) -> float | None:
    for each in told:
        if isinstance(each.event, pb.ReplyInterrupted) and each.event.turn == turn:
            return each.at
    return None


def _ended_at(told: Iterable[Told], turn: int) -> float | None:
    for each in told:
        if isinstance(each.event, pb.TurnEnded) and each.event.turn == turn:
            return each.at
    return None


def _count_words(played: Played, made: Score) -> None:
    said = _plain(word.text for spoke in played.spoke for word in spoke.words)
    heard = _plain(word for text in made.heard for word in text.split())
    blocks = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
    made.words = len(said)
    made.lost = len(said) - sum(block.size for block in blocks)
    if made.lost:
        made.notes.append(f"{made.lost} of {made.words} words lost: {made.heard}")


def _plain(words: Iterable[str]) -> list[str]:
    return [plain for word in words if (plain := bare(word)) and plain not in FILLERS]


def _count_leaks(told: Iterable[Told], made: Score) -> None:
    """Audio before its turn's transcript, or behind its end."""
    begun: set[int] = set()
    over: set[int] = set()
    for each in told:
        match each.event:
            case pb.UserTranscript():
                begun.add(each.event.turn)
            case pb.ReplyInterrupted() | pb.TurnEnded():
                over.add(each.event.turn)
            case pb.ReplyAudio():
                if each.event.turn not in begun or each.event.turn in over:
                    made.leaked += 1
                    made.notes.append(f"audio of turn {each.event.turn} out of place")


def _count_foreign_audio(played: Played, world: World, made: Score) -> None:
    """Audio of a revision that its turn was not decided for: by what each reply's samples tell."""
    said = {
        told.event.turn: told.event.transcript.text
        for told in played.told
        if isinstance(told.event, pb.UserTranscript)
    }
    chosen: dict[int, int] = {}
    for told in played.told:
        if not isinstance(told.event, pb.ReplyAudio):
            continue
        turn = told.event.turn
        for number in heard_in(told.event.samples):
            synthesis = world.syntheses[number]
            first = turn not in chosen
            chosen.setdefault(turn, number)
            gone = (
                synthesis.cancelled_at is not None and synthesis.cancelled_at < told.at
            )
            prompt = _prompt_of(synthesis, world)
            asked = prompt.messages[-1].content[0].text if prompt else ""
            if (
                chosen[turn] != number
                or (first and gone)
                or synthesis.turn.turn != turn
                or not asked.endswith(said.get(turn, ""))
            ):
                made.leaked += 1
                made.notes.append(
                    f"turn {turn} has audio of {synthesis.turn}, {asked!r}"
                )


def _prompt_of(synthesis: Synthesis, world: World) -> llm_pb2.GenerateRequest | None:
    return next(
        (prompt for prompt in world.prompts if prompt.turn == synthesis.turn), None
    )


def _compare_history(
    conversation: str, pairs: Sequence[tuple[Played, Score]], world: World
) -> None:
    """The assistant's words in the conversation's last prompt, against those whose marks lie in what was heard."""
    prompts = [p for p in world.prompts if p.turn.conversation_id == conversation]
    if not prompts:
        return
    last = prompts[-1]
    remembered = [
        "".join(part.text for part in message.content)
        for message in last.messages
        if message.role == llm_pb2.ROLE_ASSISTANT
    ]
    for played, made in pairs:
        for turn, synthesis, at in _spoken_answers(played, world):
            if turn >= last.turn.turn:
                continue
            heard = synthesis.words_by(at)
            kept: list[str] = []
            if remembered and synthesis.text.strip().startswith(remembered[0].strip()):
                kept = remembered.pop(0).split()
            made.cut_answers += at < synthesis.seconds
            off = abs(len(kept) - len(heard))
            made.words_off.append(off)
            if off > 1:
                made.notes.append(
                    f"turn {turn}: {len(heard)} words were heard, {len(kept)} are remembered"
                )


def _spoken_answers(played: Played, world: World) -> list[tuple[int, Synthesis, float]]:
    """Turns that were heard: number, voice, and up to where on the reply's audio clock."""
    spoken: dict[int, Synthesis] = {}
    heard: dict[int, float] = {}
    for told in played.told:
        match told.event:
            case pb.ReplyAudio():
                number = max(heard_in(told.event.samples))
                spoken.setdefault(told.event.turn, world.syntheses[number])
            case pb.ReplyInterrupted():
                heard[told.event.turn] = to_seconds(told.event.at)
    return [
        (turn, synthesis, heard.get(turn, synthesis.seconds))
        for turn, synthesis in spoken.items()
    ]
