"""MP4 files that announce more than they hold."""

from io import BytesIO
from struct import pack, pack_into, unpack_from

import pytest

from gateway.fronts.openai.boxes import (
    MOST_SAMPLES,
    announces_too_much,
    is_mp4,
)
from gateway.fronts.openai.decoding import Decoder
from services.runtime.errors import InvalidArgument
from tests.fakes.hearing import RATE, speech
from tests.fakes.recordings import as_file, as_wav

HEAD = pack(">I4s8x", 16, b"ftyp")
MANY = MOST_SAMPLES + 1


def box(name: bytes, *contents: bytes, large: bool = False) -> bytes:
    content = b"".join(contents)
    if large:
        return pack(">I4sQ", 1, name, len(content) + 16) + content
    return pack(">I4s", len(content) + 8, name) + content


def sizes(name: bytes, count: int, large: bool = False) -> bytes:
    return box(name, pack(">III", 0, 1, count), large=large)


def chunks(samples: int, count: int) -> bytes:
    per_chunk = box(b"stsc", pack(">IIIII", 0, 1, 1, samples, 1))
    return per_chunk + box(b"stco", pack(">III", 0, count, 40))


@pytest.fixture(scope="module")
def recording() -> bytes:
    return as_file(speech(0.5), "ipod", "aac")


@pytest.mark.parametrize(
    ("form", "codec"),
    [("ipod", "aac"), ("mp4", "libopus"), ("mov", "pcm_s16le"), ("ismv", "aac")],
)
def test_a_recording_announces_what_it_holds(form: str, codec: str) -> None:
    data = as_file(speech(3.0), form, codec)
    assert is_mp4(data)
    assert not announces_too_much(data)


@pytest.mark.parametrize(
    "table",
    [
        sizes(b"stsz", MANY),
        sizes(b"stz2", MANY),
        sizes(b"stsz", MANY, large=True),
        sizes(b"stsz", MANY // 2 + 1) * 2,
        box(b"trun", pack(">II", 0, MANY)),
        chunks(2**31, 100),
        box(b"cmov", b"\0" * 16),
        chunks(1, 1) * 65,
        box(b"trun", pack(">II", 0, 0)) * 100_001,
        # Tables that end sooner than they say do no harm, and keep no others from being seen.
        box(b"stsc", pack(">II", 0, 2**32 - 1)) + sizes(b"stsz", MANY),
    ],
)
def test_tables_that_would_cost_gigabytes_are_seen(table: bytes) -> None:
    whole = HEAD + box(b"mdat", b"\0" * 100) + box(b"moov", box(b"trak", table))
    assert announces_too_much(whole)
    assert announces_too_much(HEAD + pack(">I4s", 0, b"moov") + table)


@pytest.mark.parametrize("head", [(200, b"mdat"), (0, b"mdat")])
def test_what_looks_like_a_table_in_the_midst_of_sound_is_none(
    head: tuple[int, bytes],
) -> None:
    sound = pack(">I4s", *head) + sizes(b"stsz", MANY)
    assert not announces_too_much(HEAD + sound.ljust(200, b"\0"))


def test_a_file_that_announces_too_much_is_not_decoded(recording: bytes) -> None:
    at = recording.index(b"stsz") + 12
    # FFmpeg itself takes it, and reads what there is.
    bomb = recording[:at] + pack(">I", MANY) + recording[at + 4 :]
    with pytest.raises(InvalidArgument, match="holds no audio"):
        Decoder(BytesIO(bomb)).next()
    assert Decoder(BytesIO(recording)).next()


def test_what_a_list_of_edits_names_again_is_heard_once(recording: bytes) -> None:
    whole = len(Decoder(BytesIO(recording)).next())
    at = recording.index(b"elst")
    (size,) = unpack_from(">I", recording, at - 4)
    edits = pack(">II", 0, 50) + pack(">IiI", 3_600_000, 0, 1 << 16) * 50
    # All boxes around it grow, the sound is before them and stays where it is.
    edited = bytearray(recording[: at + 4] + edits + recording[at - 4 + size :])
    for name in (b"moov", b"trak", b"edts", b"elst"):
        where = recording.index(name) - 4
        (old,) = unpack_from(">I", edited, where)
        pack_into(">I", edited, where, old + len(edits) - size + 8)
    decoder = Decoder(BytesIO(edited))
    heard = b"".join(iter(decoder.next, b""))
    assert len(heard) == pytest.approx(whole, abs=0.1 * 2 * RATE)


def test_an_mp4_file_has_to_say_that_it_is_one(recording: bytes) -> None:
    # FFmpeg would know it all the same, and nobody would have looked at its tables.
    with pytest.raises(InvalidArgument, match="holds no audio"):
        Decoder(BytesIO(b"\0\0\0\x08free" + recording)).next()


def test_a_rate_that_makes_hours_of_little_is_refused() -> None:
    wav = bytearray(as_wav(speech(0.5)))
    wav[24:28] = pack("<I", 1)
    with pytest.raises(InvalidArgument, match="holds no audio"):
        Decoder(BytesIO(wav)).next()
