"""A model gets the decoder that keeps its state only if that gives what its whole decode gives."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import structlog
import torch

from services.runtime.errors import EngineError
from services.tts.engines.qwen3.codec import CodecDecoder
from services.tts.engines.qwen3.codec_loading import (
    RedecodingCodec,
    compare,
    load_codec,
)
from tests.models.checkpoints.codec import make_decoder
from tests.models.tts.codes import TOLERANCE, decode_whole, random_codes


@pytest.fixture
def decoder() -> Any:
    return make_decoder()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


def shift(module: Any, inputs: Any, output: Any) -> Any:
    """What no layer that looks back alone does: the last moment is heard at the first."""
    return output.roll(1, dims=-1)


def test_a_decoder_that_proves_itself_keeps_its_state(
    decoder: Any, logged: list[Any]
) -> None:
    codec = load_codec(decoder, slots=2)
    assert isinstance(codec, CodecDecoder)
    assert compare(codec, decoder) < 1e-4
    assert not logged
    # The check has left no stream open.
    assert codec.open() and codec.open()


def test_half_precision_proves_itself_too(decoder: Any) -> None:
    assert isinstance(load_codec(decoder.bfloat16()), CodecDecoder)


def test_a_decoder_that_does_something_else_is_decoded_again_and_it_is_said(
    decoder: Any, logged: list[Any]
) -> None:
    decoder.upsample[0][1].register_forward_hook(shift)
    codec = load_codec(decoder)
    assert isinstance(codec, RedecodingCodec)
    (entry,) = logged
    assert entry["log_level"] == "warning"
    assert entry["difference"] > entry["tolerance"]


def test_decoding_again_is_exact_where_its_context_reaches_back_to_the_start(
    decoder: Any,
) -> None:
    codec = RedecodingCodec(decoder)
    codes = [random_codes(25, seed) for seed in range(2)]
    streams = [codec.open() for _ in codes]
    audio: list[list[Any]] = [[], []]
    for starts, ends in (((0, 0), (2, 0)), ((2, 0), (6, 11)), ((6, 11), (25, 25))):
        batch = [
            (streams[row], codes[row][starts[row] : ends[row]]) for row in range(2)
        ]
        for row, samples in enumerate(codec.decode(batch)):
            audio[row].append(samples)
    for row, spoken in enumerate(audio):
        np.testing.assert_allclose(
            np.concatenate(spoken),
            decode_whole(decoder, codes[row]),
            rtol=0,
            atol=TOLERANCE,
        )


def test_decoding_again_hears_the_end_of_its_context(decoder: Any) -> None:
    codec = RedecodingCodec(decoder)
    reference, codes = random_codes(20, 3), random_codes(5, 4)
    stream = codec.open(reference)
    (audio,) = codec.decode([(stream, codes)])
    whole = decode_whole(decoder, torch.cat((reference, codes)))
    np.testing.assert_allclose(
        audio, whole[20 * codec.samples_per_frame :], rtol=0, atol=TOLERANCE
    )
    stream.close()
    with pytest.raises(EngineError, match="closed"):
        codec.decode([(stream, codes)])


def test_decoding_no_frames_again_is_no_audio(decoder: Any) -> None:
    codec = RedecodingCodec(decoder)
    (nothing,) = codec.decode([(codec.open(), random_codes(0))])
    assert nothing.shape == (0,)


def test_the_context_of_the_package_is_not_the_whole_past(decoder: Any) -> None:
    """Why state is kept even where decoding again would be fast enough."""
    codes = random_codes(60)
    whole = decode_whole(decoder, codes)
    again, kept = RedecodingCodec(decoder), CodecDecoder(decoder)
    errors = []
    for codec in (again, kept):
        stream = codec.open()
        pieces = [
            codec.decode([(stream, codes[at : at + 4])])[0] for at in range(0, 60, 4)
        ]
        errors.append(float(np.abs(np.concatenate(pieces) - whole).max()))
    assert errors[1] < TOLERANCE < errors[0]
