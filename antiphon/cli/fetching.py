"""Fetching models ahead: of the catalogue, and of the Hugging Face Hub."""

from collections.abc import Callable, Sequence

from antiphon.cli.failures import USAGE, CommandError
from services.runtime import hub, models
from services.runtime.hub_cache import cache_folder


class UnknownModel(CommandError):
    """A model is neither in the catalogue nor a name on the Hub."""

    status = USAGE


def fetch_models(
    names: Sequence[str], update: bool, say: Callable[[str], None]
) -> None:
    """Fetch models; nothing is fetched if one of the names cannot be.

    Args:
        names: of the catalogue or on the Hub; default: all of the catalogue.
        update: look up anew which commit a branch or tag on the Hub is.
        say: gets a line for each step.

    Raises:
        UnknownModel: a name is of neither kind.
        FailedPrecondition: a model could not be had.
    """
    catalogue = models.catalogue()
    places = {name: hub.parse(name) for name in names if name not in catalogue}
    if unknown := [name for name, place in places.items() if place is None]:
        raise UnknownModel(
            f"there is no {', '.join(unknown)}; there are: {', '.join(catalogue)}, and OWNER/NAME on the Hugging Face Hub"
        )
    models.fetch(
        [catalogue[name] for name in names or catalogue if name in catalogue], say
    )
    for name, place in places.items():
        if place:
            files = (place.file,) if place.file else ()
            folder = hub.fetch(
                place.repository, files, place.revision, update=update, say=say
            )
            say(f"{name}: in {folder}")


def list_models(say: Callable[[str], None]) -> None:
    """Say what there is, and what of it is here."""
    for model in models.catalogue().values():
        state = "here" if model.present else f"{model.megabytes} MB to fetch"
        say(f"{model.name}: {model.about} ({model.licence}); {state}")
    say(f"in {models.models_folder()}")
    for name, entry in hub.known().items():
        state = "here" if hub.present(name) else "to fetch by this name"
        say(f"{name}: {entry.about} ({entry.licence}); {state}")
    say(f"in {cache_folder()}")
