"""How many replicas so many streams need: not as many as there are on average, but as many as there are now and then.

Streams begin when people speak, and nobody arranges that. A replica has so many places, and whoever finds them all taken is told
so at once; the gateway asks up to three replicas, so that a turn is lost only where three are full, one after the other.

How often all places are taken is an old question. Where a stream lasts as long as people speak (`Kind.HELD`), a replica is a telephone
exchange, and the answer Erlang's loss formula (Engset's, since the callers are counted). Where the streams share a processor and
each is over as soon as it is done (`Kind.SHARED`), it is the same for a shared processor with so many places: M/M/1/c, which holds
for any length of work as long as all get the same share.
"""

from enum import Enum

TRIES = 3
"""Replicas that the gateway asks for one call (docs/architecture.md, "Being full, failing, leaving")."""

LOST = 0.001
"""Share of the calls that may find no place; a tenth of the turns that may fail at all (``budgets.toml``, ``answered``)."""

_ROUNDS = 200


class Kind(Enum):
    """What a stream takes of a replica."""

    HELD = "held"
    """A place for as long as somebody speaks or listens, whatever else goes on."""
    SHARED = "shared"
    """A share of the processor until its work is done, which is sooner the fewer there are."""


def replicas(
    people: int,
    share: float,
    carried: int,
    kind: Kind = Kind.HELD,
    lost: float = LOST,
) -> int:
    """The fewest replicas with which no more calls are lost.

    Args:
        people: who talk at once.
        share: of its time that each of them speaks, or listens, 0 to 1.
        carried: people who speak or listen that one replica keeps up with; as many places it has.
        kind: what a stream takes of it.
        lost: share of the calls that may find no place.

    Raises:
        ValueError: a replica carries nothing.
    """
    if carried < 1:
        raise ValueError("a replica that carries nothing")
    enough = 1
    while loss(people, share, carried, enough, kind) > lost:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        if loss(people, share, carried, middle, kind) > lost:
            few = middle
        else:
            enough = middle
    return enough


def loss(
    people: int, share: float, carried: int, count: int, kind: Kind = Kind.HELD
) -> float:
    """Share of the calls that find ``count`` replicas full as often as they are tried.

    Each replica sees the calls of all people, thinned out: those that begin there, and those that others were too full for.
    Calls are taken to be spread by chance; to ask the replicas in turn spreads them better than that.
    """
    if people <= carried:
        return 0.0
    tries = min(TRIES, count)
    full = 0.0
    for _ in range(_ROUNDS):
        asked = share / count * sum(full**number for number in range(tries))
        before = full
        if kind is Kind.SHARED:
            full = _queue_full(people * asked / carried, carried)
        elif asked >= 1:
            # Fewer places than people who each want one all the time.
            return 1.0
        else:
            full = _lines_taken(people - 1, asked, carried)
        if full - before < 1e-12:
            break
    return float(full**tries)


def places(streams: float, lost: float = LOST) -> int:
    """The fewest places for so many streams on average, of which no more are lost (Erlang)."""
    taken, count = 1.0, 0
    while taken > lost:
        count += 1
        taken = streams * taken / (count + streams * taken)
    return count


def _lines_taken(people: int, share: float, places: int) -> float:
    """Engset: how often all places are taken, of people who each want one for that share of their time.

    By the recursion over the number of places, which no large number can overflow.
    """
    each = share / (1 - share)
    taken = 1.0
    for place in range(1, places + 1):
        wanted = max(0, people - place + 1) * each
        taken = wanted * taken / (place + wanted * taken)
    return taken


def _queue_full(load: float, places: int) -> float:
    """M/M/1/c: how often all places are taken of a processor that is asked for that multiple of what it can do."""
    taken = 1.0
    for _ in range(places):
        taken = load * taken / (1 + load * taken)
    return taken
