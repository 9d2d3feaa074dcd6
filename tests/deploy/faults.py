"""Plants faults into what is sound, to see that rules find them."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.deploy.manifests import FOLDER, Manifests, name, render
from tests.deploy.tools import called

GONE = object()
"""In place of a value: what stands there is taken away."""
SOUND = FOLDER / "overlays" / "production"
"""What faults are planted into."""
POD = "spec.template.spec"
MAIN = f"{POD}.containers.0"


@dataclass(frozen=True, slots=True)
class Fault:
    """A change of one resource, and what a rule has to say of it.

    Attributes:
        rule: that is for it.
        resource: ``Kind/name``.
        path: where the value stands, with dots.
        value: that is wrong, or GONE.
        complaint: words that the rule's complaint has to hold.
    """

    rule: Callable[[Manifests], list[str]]
    resource: str
    path: str
    value: object
    complaint: str


def planted(fault: Fault) -> list[str]:
    """What the rule says of sound manifests with the fault.

    Raises:
        LookupError: there is no such resource, or no way to the path.
    """
    return fault.rule(
        with_fault(render(SOUND), fault.resource, fault.path, fault.value)
    )


def titles(faults: Sequence[Fault]) -> list[str]:
    """What tests of them are called."""
    return [f"{called(each.rule)}: {each.resource} {each.path}" for each in faults]


def changed(document: Any, path: str, value: object) -> Any:
    """A copy of a document in which another value, or nothing, stands under a dotted path; numbers count in lists.

    Raises:
        LookupError: the way there does not exist, so that nothing would be planted.
    """
    copy = deepcopy(document)
    *way, last = (int(key) if key.isdigit() else key for key in _keys(path))
    part = copy
    for key in way:
        part = part[key]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    return copy


def _keys(path: str) -> list[str]:
    """Parts of a path; a part with dots stands between brackets."""
    keys, rest = [], path
    while rest:
        if rest.startswith("["):
            key, _, rest = rest[1:].partition("]")
        else:
            key, _, rest = rest.partition(".")
        keys.append(key)
        rest = rest.removeprefix(".")
    return keys


def with_fault(
    manifests: Manifests, resource: str, path: str, value: object
) -> Manifests:
    """Manifests in which one resource, ``Kind/name``, is changed.

    Raises:
        LookupError: there is no such resource, or no way to the path.
    """
    found = [name(each) for each in manifests.resources]
    place = found.index(resource) if resource in found else None
    if place is None:
        raise LookupError(resource)
    resources = list(manifests.resources)
    resources[place] = changed(resources[place], path, value)
    return Manifests(resources)


def without(manifests: Manifests, resource: str) -> Manifests:
    """Manifests without one resource.

    Raises:
        LookupError: there is no such resource.
    """
    left = [each for each in manifests.resources if name(each) != resource]
    if len(left) == len(manifests.resources):
        raise LookupError(resource)
    return Manifests(left)
