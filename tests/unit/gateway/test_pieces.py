import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.hearing.pieces import LONGEST_PIECE, Divider, Piece
from tests.fakes.hearing import RATE, LoudnessVoice, silence, speech


async def divided(
    recording: bytes, chunk: float = 5.0, longest: float = LONGEST_PIECE
) -> list[Piece]:
    divider = Divider(LoudnessVoice(), longest)
    size = round(chunk * RATE) * 2
    pieces: list[Piece] = []
    for start in range(0, len(recording), size):
        pieces += await divider.push(recording[start : start + size])
    pieces += divider.finish()
    assert divider.seconds == len(recording) / 2 / RATE
    return pieces


def at(recording: bytes, piece: Piece) -> bytes:
    start = round(piece.start * RATE) * 2
    return recording[start : start + len(piece.samples)]


async def test_silence_has_no_pieces() -> None:
    assert await divided(silence(30)) == []
    assert await divided(b"") == []


async def test_a_long_silence_ends_a_piece_and_is_left_out() -> None:
    recording = silence(2) + speech(1) + silence(10) + speech(2) + silence(3)
    first, second = await divided(recording)
    assert abs(first.start - 1.7) < 0.05 and abs(first.seconds - 1.6) < 0.1
    assert abs(second.start - 12.7) < 0.05 and abs(second.seconds - 2.6) < 0.1


async def test_a_short_silence_does_not() -> None:
    [piece] = await divided(speech(1) + silence(0.6) + speech(1))
    assert abs(piece.seconds - 2.6) < 0.05


async def test_behind_ten_seconds_of_speech_a_breath_ends_a_piece() -> None:
    sentences = (speech(4) + silence(0.4)) * 6
    pieces = await divided(sentences)
    assert [round(piece.seconds) for piece in pieces] == [13, 13]


async def test_who_never_pauses_is_cut_where_it_is_quietest() -> None:
    loud, quiet = speech(14), (np.frombuffer(speech(0.2), "<i2") // 4).tobytes()
    recording = loud + quiet + speech(10)
    first, second = await divided(recording)
    assert 14.0 < first.seconds < 14.2
    assert second.start == first.start + first.seconds


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.floats(0.1, 30.0), st.floats(0.0, 4.0)), min_size=1, max_size=6
    ),
    chunk=st.floats(0.02, 8.0),
    longest=st.floats(3.0, 20.0),
)
@example(
    parts=[(10.0, 1.0), (14.875, 0.5), (16.0, 0.0)], chunk=1.0, longest=15.42578125
)
async def test_pieces_stand_in_order_hold_all_speech_and_are_no_longer_than_they_may(
    parts: list[tuple[float, float]], chunk: float, longest: float
) -> None:
    recording = b"".join(speech(loud) + silence(quiet) for loud, quiet in parts)
    pieces = await divided(recording, chunk, longest)
    end = 0.0
    for piece in pieces:
        assert piece.samples == at(recording, piece)
        assert piece.start >= end - 1e-9
        assert 0 < piece.seconds <= longest + 1e-9
        end = piece.start + piece.seconds
    position = 0.0
    for loud, quiet in parts:
        # Two windows in a row make a beginning: what is shorter may be a click.
        if loud > 0.2:
            for moment in np.arange(position + 0.1, position + loud - 0.1, 0.1):
                assert any(
                    piece.start - 0.01 <= moment <= piece.start + piece.seconds + 0.01
                    for piece in pieces
                ), moment
        position += loud + quiet
