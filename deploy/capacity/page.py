"""The parts of docs/scaling.md that are made of figures, between marks that Markdown does not show."""

from pathlib import Path

from deploy.capacity import tables
from deploy.capacity.beside import Provider
from deploy.capacity.figures import Figures
from deploy.capacity.gpu import RUN, Gpu
from deploy.capacity.plan import Profile, make
from deploy.capacity.reading import BadInput
from deploy.capacity.traffic import Kind, replicas

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
SIZES = (10, 1_000, 100_000)
"""Conversations that the page and the command count with, unless told otherwise."""

_UNKNOWN = Gpu(f"not measured: {RUN}", f"not measured: {RUN}")
"""The page is the same on every machine, whatever has been measured there."""


def renewed(page: str, figures: Figures) -> str:
    """The page, with what is made of figures made anew.

    Raises:
        BadInput: a mark is missing.
    """
    for name, text in _parts(figures).items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise BadInput(f"{PAGE.name}: has to have {begin.strip()} and its end")
        page = f"{before}{begin}{text}\n{end}{after}"
    return page


def _parts(figures: Figures) -> dict[str, str]:
    return {
        "carried": "\n\n".join(
            filter(None, (tables.carried(figures), tables.disturbance(figures)))
        ),
        "steps": tables.steps(figures),
        "conversation": tables.introduction(figures),
        "fill": _fill(),
        **{f"{each.value} plans": _plans(figures, each) for each in Profile},
    }


def _plans(figures: Figures, profile: Profile) -> str:
    made = [make(each, profile, figures, _UNKNOWN, Provider()) for each in SIZES]
    notes = "\n".join(f"- {note}" for note in tables.notes(made[0]))
    return tables.overview(made) + (f"\n\n{notes}" if notes else "")


def _fill() -> str:
    """How full replicas of various sizes may be: people who speak, of all places that they need."""
    people, share = 1_000, 0.5
    names = {Kind.HELD: "a line each", Kind.SHARED: "a shared processor"}
    return tables.markdown(
        [
            {"places of a replica": names[kind]}
            | {
                f"{places}": tables.percent(
                    people * share / places / replicas(people, share, places, kind)
                )
                for places in (2, 4, 8, 16, 64)
            }
            for kind in Kind
        ]
    )
