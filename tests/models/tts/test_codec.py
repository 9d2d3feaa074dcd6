"""The codec decoder that keeps its state gives what one whole decode gives, however the frames come."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.runtime.errors import EngineError, FailedPrecondition
from services.tts.engines.qwen3.codec import CodecDecoder, CodecStream
from tests.models.checkpoints.codec import RELEASED, make_decoder
from tests.models.tts.codes import TOLERANCE, decode_whole, random_codes

FRAMES = 110
"""More than the window of 72, so that it slides."""


@pytest.fixture(scope="module")
def decoder() -> Any:
    return make_decoder()


@pytest.fixture
def codec(decoder: Any) -> CodecDecoder:
    return CodecDecoder(decoder, slots=4)


def decode_in(
    codec: CodecDecoder, stream: CodecStream, codes: Any, sizes: Sequence[int]
) -> NDArray[np.float32]:
    """In pieces of these sizes, the last of them repeated."""
    pieces, start = [], 0
    for size in [*sizes, *[sizes[-1]] * len(codes)]:
        if start >= len(codes):
            break
        pieces += codec.decode([(stream, codes[start : start + size])])
        start += size
    return np.concatenate(pieces)


@pytest.mark.parametrize(
    "sizes", [(1,), (2, 4, 8, 12), (1, 2, 4, 8, 16, 32, 64), (7,), (FRAMES,)]
)
def test_any_chunking_is_the_whole_decode(
    decoder: Any, codec: CodecDecoder, sizes: Sequence[int]
) -> None:
    codes = random_codes(FRAMES)
    streamed = decode_in(codec, codec.open(), codes, sizes)
    whole = decode_whole(decoder, codes)
    assert streamed.dtype == np.float32
    assert len(streamed) == FRAMES * codec.samples_per_frame == len(whole)
    np.testing.assert_allclose(streamed, whole, rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def small() -> tuple[Any, CodecDecoder]:
    """A window of few frames, and few samples a frame."""
    decoder = make_decoder(
        upsample_rates=(3, 2), upsampling_ratios=(2,), sliding_window=6
    )
    return decoder, CodecDecoder(decoder, slots=2)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    context=st.integers(0, 15),
)
def test_no_way_to_cut_it_is_heard(
    small: tuple[Any, CodecDecoder], sizes: list[int], context: int
) -> None:
    decoder, codec = small
    codes = random_codes(context + sum(sizes) + 1)
    stream = codec.open(codes[:context])
    streamed = decode_in(codec, stream, codes[context:], [*sizes, 1])
    stream.close()
    whole = decode_whole(decoder, codes)[context * codec.samples_per_frame :]
    np.testing.assert_allclose(streamed, whole, rtol=0, atol=TOLERANCE)


def test_what_differs_is_rounding_alone() -> None:
    decoder = make_decoder().double()
    codec = CodecDecoder(decoder)
    codes = random_codes(FRAMES)
    streamed = decode_in(codec, codec.open(), codes, (1, 2, 4, 8))
    # What is left is the norms', which are float32 whatever the model is, and that of the result.
    np.testing.assert_allclose(
        streamed, decode_whole(decoder, codes), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize(
    "sizes",
    [
        {"upsample_rates": (5, 3), "upsampling_ratios": (3,)},
        {"upsample_rates": (2, 2, 2), "upsampling_ratios": ()},
        {"sliding_window": 5, "num_hidden_layers": 3},
        {"num_attention_heads": 4, "num_key_value_heads": 2, "attention_bias": True},
        {"num_quantizers": 5, "codebook_size": 64},
        {"hidden_size": 48, "latent_dim": 40, "codebook_dim": 24},
    ],
    ids=lambda sizes: ", ".join(sizes),
)
def test_decoders_of_other_sizes_are_continued_too(sizes: dict[str, Any]) -> None:
    decoder = make_decoder(**sizes)
    codec = CodecDecoder(decoder)
    codes = random_codes(90, codebooks=codec.codebooks, size=codec.codebook_size)
    streamed = decode_in(codec, codec.open(), codes, (1, 2, 4, 8))
    np.testing.assert_allclose(
        streamed, decode_whole(decoder, codes), rtol=0, atol=TOLERANCE
    )


def test_a_decoder_of_the_released_size_is_continued() -> None:
    decoder = make_decoder(**RELEASED)
    codec = CodecDecoder(decoder, slots=1)
    codes = random_codes(9)
    streamed = decode_in(codec, codec.open(), codes, (1, 2, 4))
    assert codec.samples_per_frame == 1920
    np.testing.assert_allclose(
        streamed, decode_whole(decoder, codes), rtol=0, atol=TOLERANCE
    )


def test_no_seam_is_rougher_than_the_speech_around_it(
    decoder: Any, codec: CodecDecoder
) -> None:
    codes = random_codes(64)
    streamed = decode_in(codec, codec.open(), codes, (2,))
    steps = np.abs(np.diff(streamed))
    seams = np.arange(2, 64, 2) * codec.samples_per_frame - 1
    whole = np.abs(np.diff(decode_whole(decoder, codes)))
    np.testing.assert_allclose(steps[seams], whole[seams], rtol=0, atol=2 * TOLERANCE)
    assert steps[seams].max() <= np.delete(steps, seams).max()


def test_rows_of_a_batch_are_what_each_is_alone(
    decoder: Any, codec: CodecDecoder
) -> None:
    codes = [random_codes(40, seed) for seed in range(3)]
    streams = [codec.open() for _ in codes]
    # Rows join late, bring different numbers of frames, stand in different orders, and are left out now and then.
    plan = [{0: 1}, {0: 2, 1: 2}, {2: 4, 0: 2, 1: 4}, {1: 3}, {2: 8, 1: 8, 0: 5}]
    plan += [{0: 30, 2: 28, 1: 23}]
    audio: list[list[Any]] = [[] for _ in codes]
    starts = [0, 0, 0]
    for counts in plan:
        batch = []
        for row, count in counts.items():
            batch.append((streams[row], codes[row][starts[row] : starts[row] + count]))
            starts[row] += count
        for row, samples in zip(counts, codec.decode(batch), strict=True):
            audio[row].append(samples)
    assert starts == [40, 40, 40]
    for row, spoken in enumerate(audio):
        np.testing.assert_allclose(
            np.concatenate(spoken),
            decode_whole(decoder, codes[row]),
            rtol=0,
            atol=TOLERANCE,
        )


def test_a_context_is_heard_only_in_what_follows_it(
    decoder: Any, codec: CodecDecoder
) -> None:
    reference, codes = random_codes(100, 7), random_codes(20, 8)
    whole = decode_whole(decoder, torch.cat((reference, codes)))
    after = whole[100 * codec.samples_per_frame :]
    streamed = decode_in(codec, codec.open(reference), codes, (2, 4, 8))
    np.testing.assert_allclose(streamed, after, rtol=0, atol=TOLERANCE)
    without = decode_in(codec, codec.open(), codes, (2, 4, 8))
    assert np.abs(without - after).max() > 100 * TOLERANCE


def test_a_context_that_is_known_starts_from_the_same_state(
    codec: CodecDecoder,
) -> None:
    reference, codes = random_codes(30, 7), random_codes(6, 8)
    first, second = codec.open(reference), codec.open(reference.clone())
    one, other = (
        decode_in(codec, first, codes, (2,)),
        decode_in(codec, second, codes, (2,)),
    )
    np.testing.assert_array_equal(one, other)


def test_a_place_that_was_used_starts_anew(decoder: Any) -> None:
    codec = CodecDecoder(decoder, slots=1)
    used = codec.open(random_codes(20, 3))
    codec.decode([(used, random_codes(9, 4))])
    used.close()
    codes = random_codes(10)
    np.testing.assert_allclose(
        decode_in(codec, codec.open(), codes, (2,)),
        decode_whole(decoder, codes),
        rtol=0,
        atol=TOLERANCE,
    )


def test_closing_gives_the_place_back_once(decoder: Any) -> None:
    codec = CodecDecoder(decoder, slots=2)
    first, _ = codec.open(), codec.open()
    with pytest.raises(EngineError, match="all places"):
        codec.open()
    first.close()
    first.close()
    codec.open()
    with pytest.raises(EngineError, match="all places"):
        codec.open()
    with pytest.raises(EngineError, match="closed"):
        codec.decode([(first, random_codes(1))])


def test_no_frames_are_no_audio(codec: CodecDecoder) -> None:
    assert codec.decode([]) == []
    (nothing,) = codec.decode([(codec.open(), random_codes(0))])
    assert nothing.shape == (0,) and nothing.dtype == np.float32


def test_a_stream_twice_in_a_batch_is_refused(codec: CodecDecoder) -> None:
    stream = codec.open()
    with pytest.raises(EngineError, match="twice"):
        codec.decode([(stream, random_codes(1)), (stream, random_codes(1))])


def test_few_fixed_shapes_give_the_same(decoder: Any) -> None:
    codec = CodecDecoder(decoder, slots=4)
    codec.fix_shapes((1, 2, 4))
    reference = random_codes(21, 9)
    codes = [random_codes(45, seed) for seed in range(4)]
    streams = [codec.open(reference) for _ in codes]
    audio: list[list[Any]] = [[] for _ in codes]
    starts = [0] * 4
    # The fourth waits while the others go on in a batch that is filled up to four rows.
    for counts in ([2, 2, 2, 2], [7, 7, 7, 0], [12, 1, 12, 15], [24, 35, 24, 28]):
        ends = [start + count for start, count in zip(starts, counts, strict=True)]
        batch = [
            (streams[row], codes[row][starts[row] : ends[row]])
            for row in range(4)
            if counts[row]
        ]
        rows = [row for row in range(4) if counts[row]]
        for row, samples in zip(rows, codec.decode(batch), strict=True):
            audio[row].append(samples)
        starts = ends
    for row, spoken in enumerate(audio):
        whole = decode_whole(decoder, torch.cat((reference, codes[row])))
        np.testing.assert_allclose(
            np.concatenate(spoken),
            whole[21 * codec.samples_per_frame :],
            rtol=0,
            atol=TOLERANCE,
        )


def test_layers_that_are_not_known_are_refused() -> None:
    decoder = make_decoder()
    decoder.decoder[0] = torch.nn.Conv1d(32, 32, 7, padding=3)
    with pytest.raises(FailedPrecondition, match="Conv1d"):
        CodecDecoder(decoder)


def test_a_convolution_that_looks_ahead_is_refused() -> None:
    decoder = make_decoder()
    decoder.pre_conv.padding = 1
    with pytest.raises(FailedPrecondition, match="CausalConvNet"):
        CodecDecoder(decoder)


def test_other_positions_are_refused() -> None:
    decoder = make_decoder()
    decoder.pre_transformer.rotary_emb.rope_type = "dynamic"
    with pytest.raises(FailedPrecondition, match="dynamic"):
        CodecDecoder(decoder)
