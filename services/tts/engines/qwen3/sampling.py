"""Choosing the next code on the device, without the host looking: what a CUDA graph can hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are chosen.

    Attributes:
        greedy: always the likeliest; nothing else counts then but the penalty.
        temperature: over 0; below 1 the likely gets likelier.
        top_k: choose among this many; 0 for all.
        top_p: choose among the likeliest that together have this probability.
        repetition_penalty: what a code's logit is divided by once it has been chosen before (Keskar et al., 2019).
    """

    greedy: bool = False
    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.05


def talker_sampling(config: Mapping[str, Any], greedy: bool) -> Sampling:
    """Of the first code of a frame, as ``generation_config.json`` has it; the defaults are upstream's."""
    return Sampling(
        greedy=greedy or not config.get("do_sample", True),
        temperature=config.get("temperature", 0.9),
        top_k=config.get("top_k", 50),
        top_p=config.get("top_p", 1.0),
        repetition_penalty=config.get("repetition_penalty", 1.05),
    )


def predictor_sampling(config: Mapping[str, Any], greedy: bool) -> Sampling:
    """Of the other codes of a frame."""
    return Sampling(
        greedy=greedy or not config.get("subtalker_dosample", True),
        temperature=config.get("subtalker_temperature", 0.9),
        top_k=config.get("subtalker_top_k", 50),
        top_p=config.get("subtalker_top_p", 1.0),
        repetition_penalty=1.0,
    )


def penalize(logits: Any, seen: Any, penalty: float) -> Any:
    """Make what was chosen before less likely: ``float32 [rows, codes]`` by ``bool [rows, codes]``."""
    if penalty == 1.0:
        return logits
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, lowered, logits)


def choose(logits: Any, sampling: Sampling) -> Any:
    """One code a row, ``int64 [rows]``, from ``float32 [rows, codes]``.

    By the Gumbel trick (Gumbel, 1954): the largest of logits with Gumbel noise added is a draw from their softmax.
    """
    if sampling.greedy:
        return logits.argmax(-1)
    count = logits.shape[-1]
    ordered = sampling.top_p < 1.0
    likeliest, codes = logits.topk(min(sampling.top_k or count, count), sorted=ordered)
    if ordered:
        chances = (likeliest / sampling.temperature).softmax(-1)
        before = chances.cumsum(-1) - chances
        likeliest = likeliest.masked_fill(before >= sampling.top_p, -torch.inf)
    # One kernel less than with logits divided by the temperature. Noise of zero, which CUDA never draws and a CPU once
    # in 2^24 times, wins as it should.
    noise = torch.empty_like(likeliest).exponential_().log_()
    drawn = likeliest.sub_(noise, alpha=sampling.temperature)
    return codes.gather(-1, drawn.argmax(-1, keepdim=True)).squeeze(-1)
