"""How much interim text a second of compute makes, in two ways (the models' environment: ``make test-models`` makes it).

*Again*: the whole utterance so far is transcribed at each interval, which is what the service does. *Buffered*: only the
newest chunk is decoded, its encoder sees some audio before and behind it, and the decoder's state is carried on. Each
step of each way is run for utterances of several lengths, with random weights: they cost what trained ones cost.

A *cache-aware* model is another kind, whose encoder never needs what it has heard again; ``--cache-aware`` measures it.

    python -m tests.bench.partials [--full] [--cache-aware] [--device cuda] [--streams 16]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.stt.engines import EngineOptions, Memory, Recognizer, Utterance
from services.stt.engines.parakeet import StreamingParakeet
from services.stt.engines.parakeet_decoder import Encoded
from services.stt.engines.parakeet_network import Network
from tests.models.checkpoints import parakeet

INTERVAL = 0.8
"""Seconds of new audio, the service's default."""
LEFT, RIGHT = 4.8, 0.64
"""Seconds that the buffered way's encoder sees before and behind a chunk."""
LEAST = 1.0


class Ways:
    """Both ways on one model, for several streams at once that are equally far.

    Args:
        network: the model.
        computer: its batched decoder, which takes and gives back states.
        streams: utterances in a batch.
    """

    def __init__(self, network: Network, computer: Any, streams: int) -> None:
        self._network = network
        self._computer = computer
        self.streams = streams
        self._samples = parakeet.speech(30.0, 0)

    def again(self, seconds: float) -> None:
        """All partials of an utterance by transcribing it again and again."""
        for end in np.arange(INTERVAL, seconds + 1e-6, INTERVAL):
            self.transcribe(float(end))

    def transcribe(self, seconds: float) -> None:
        """The transcript of all of it: a checkpoint's, or the final one."""
        self._network.decoder.decode(self._encode(0.0, max(LEAST, seconds)))

    def buffered(self, seconds: float) -> None:
        """All partials of an utterance chunk by chunk."""
        state = None
        for done in np.arange(0.0, seconds - INTERVAL + 1e-6, INTERVAL):
            start = max(0.0, done - LEFT)
            encoded = self._encode(start, done + INTERVAL + RIGHT)
            frame = self._network.frame_seconds
            before, chunk = round((done - start) / frame), round(INTERVAL / frame)
            new = encoded.frames[:, before:]
            count = torch.full_like(encoded.counts, chunk)
            with torch.inference_mode():
                _, state = self._computer(new, count, state)
                rest = encoded.counts - before - chunk
                # Provisional words: what follows from this state is thrown away.
                hypotheses, _ = self._computer(new[:, chunk:], rest, state)
                hypotheses.get_data_without_blank()[0].cpu()

    def _encode(self, start: float, end: float) -> Encoded:
        rate = self._network.rate
        samples = self._samples[round(start * rate) : round(end * rate)]
        return self._network.encode([samples] * self.streams)


def measure(ways: Ways, lengths: list[float]) -> None:
    """Print one row a length."""
    print(
        "| utterance | final | again | buffered | again, final included | buffered, final included |"
    )
    print("|---|---|---|---|---|---|")
    for seconds in lengths:
        final = _seconds(partial(ways.transcribe, seconds))
        again = _seconds(partial(ways.again, seconds))
        buffered = _seconds(partial(ways.buffered, seconds))
        audio = seconds * ways.streams
        # The last partial, made in the pause, is the final one already.
        print(
            f"| {seconds:g} s | {final:.2f} s | {audio / again:.2f} | {audio / buffered:.2f} | "
            f"{audio / max(again, final):.2f} | {audio / (buffered + final):.2f} |",
            flush=True,
        )


def _seconds(work: Callable[[], None]) -> float:
    """Of the one thread on a CPU, which others may share; of the clock on a GPU."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    started = clock()
    work()
    return clock() - started


def measure_cache_aware(engine: Recognizer, streams: int, lengths: list[float]) -> None:
    """Print one row a length; the last partial, made in the pause, is the final one already."""
    samples = parakeet.speech(30.0, 0)

    def transcribe(memories: list[Memory], seconds: float) -> None:
        cut = samples[: round(seconds * parakeet.RATE)]
        engine.transcribe([Utterance(cut, "en", memory=each) for each in memories])

    def all_partials(memories: list[Memory], seconds: float) -> None:
        for end in np.arange(INTERVAL, seconds + 1e-6, INTERVAL):
            transcribe(memories, float(end))

    print("| utterance | final behind a partial | cache-aware |")
    print("|---|---|---|")
    for seconds in lengths:
        memories = [Memory() for _ in range(streams)]
        partials = _seconds(partial(all_partials, memories, seconds))
        final = _seconds(partial(transcribe, memories, seconds))
        print(
            f"| {seconds:g} s | {final:.2f} s | {seconds * streams / partials:.2f} |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--full", action="store_true", help="0.6 billion weights")
    arguments.add_argument("--cache-aware", action="store_true", help="another kind")
    arguments.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments.add_argument("--streams", type=int, default=1)
    arguments.add_argument("--lengths", type=float, nargs="+", default=[2, 5, 10, 20])
    arguments.add_argument("--precision", help="float32, bfloat16 or int8")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = parakeet.FULL if chosen.full else parakeet.Size()
        size = replace(size, streaming=chosen.cache_aware)
        model = parakeet.build(size, Path(folder))
        # Four tokens a second, as in speech: without durations a random decoder repeats each ten times.
        blanks = 0.97 if chosen.cache_aware else 0.6
        parakeet.calibrate(model, blanks, seconds=1.0)
        usual = "bfloat16" if chosen.device == "cuda" else "float32"
        precision = chosen.precision or usual
        network = Network(model, chosen.device, precision, 1)
    if chosen.cache_aware:
        options = EngineOptions("", chosen.device, "auto", 1, batch=chosen.streams)
        engine = StreamingParakeet(network, "random", options)
        engine.warm_up()
        measure_cache_aware(engine, chosen.streams, chosen.lengths)
        return
    computer = model.decoding.decoding.decoding_computer
    ways = Ways(network, computer, chosen.streams)
    ways.transcribe(1.0)
    ways.buffered(1.0)
    measure(ways, chosen.lengths)


if __name__ == "__main__":
    main()
