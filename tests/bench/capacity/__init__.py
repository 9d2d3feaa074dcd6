"""What one replica of each stage carries on one core, and what share of a conversation's time keeps it busy.

A stage runs alone, as a process on a core of its own, and is spoken to over gRPC by more and more people at once, each at the
pace of real life and without a pause: one speaks all the time, or is answered all the time. It carries as many as still wait
no longer than the stage's budget, in nineteen calls of twenty. `conversation` then measures how much of a real conversation is
speech and how much is answer. deploy/capacity makes replicas of both.
"""

from tests.bench.capacity.measuring import measure

__all__ = ["measure"]
