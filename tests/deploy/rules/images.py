"""What holds of every Dockerfile of ours, beside what hadolint says."""

import re

from tests.deploy.dockerfiles import Dockerfile
from tests.deploy.rules import variables
from tests.deploy.rules.pods import USER, is_pinned
from tests.deploy.settings import settings

_SHELLED = re.compile(r"\b(curl|wget)\b[^|;&]*\|\s*(\w*/)*(env +)?(ba|da|z)?sh\b")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|CREDENTIAL", re.IGNORECASE)


def service(dockerfile: Dockerfile) -> str:
    """Which service it is of, as its label says."""
    title = dockerfile.told("LABEL").get("org.opencontainers.image.title", "")
    return title.removeprefix("antiphon-")


def bases_are_pinned(dockerfile: Dockerfile) -> list[str]:
    """Each image that it begins with has a tag that stays."""
    return [
        f"base {base or 'without a name'} has no tag that stays"
        for base in sorted(dockerfile.bases())
        if not is_pinned(base)
    ]


def it_runs_as_nobody_special(dockerfile: Dockerfile) -> list[str]:
    """By number, so that Kubernetes can tell that it is not root."""
    user = dockerfile.last("USER")
    if user is None or user.text != f"{USER}:{USER}":
        return [f"USER is {user.text if user else 'root'}, not {USER}:{USER}"]
    return []


def it_hears_signals(dockerfile: Dockerfile) -> list[str]:
    """Exec form throughout, under tini: a shell would keep SIGTERM to itself, and zombies."""
    found = []
    entry = dockerfile.last("ENTRYPOINT")
    if entry is None or entry.words != ["tini", "--"]:
        found.append('ENTRYPOINT is not ["tini", "--"]')
    command = dockerfile.last("CMD")
    if command is None or not command.words:
        found.append("CMD is not in exec form")
    return found


def it_says_how_it_is(dockerfile: Dockerfile) -> list[str]:
    """A health check, without a shell."""
    check = dockerfile.last("HEALTHCHECK")
    _, _, command = (check.text if check else "").partition("CMD ")
    return [] if command.startswith("[") else ["no HEALTHCHECK in exec form"]


def nothing_comes_unseen(dockerfile: Dockerfile) -> list[str]:
    """No ADD, no whole context, no script from the network into a shell, and packages by their hashes."""
    found = []
    for stage in dockerfile.stages:
        for each in stage.instructions:
            if each.name == "ADD":
                found.append(f"ADD {each.text}")
            if each.name == "COPY" and {".", "./", "/"} & set(each.sources):
                found.append(f"COPY {each.text}: the whole context")
            if each.name == "RUN" and _SHELLED.search(each.text):
                found.append(f"RUN {each.text[:60]}: runs what the network says")
            if each.name == "RUN":
                found += _unpinned(each.text)
    return found


def _unpinned(script: str) -> list[str]:
    found = []
    for command in re.split(r"&&|;|\|\|", script):
        if "pip install" not in command:
            continue
        hashed = "--require-hashes" in command
        # Our own wheel, just built; and PyTorch for the CPU, whose builds differ with the index.
        known = "--no-deps" in command and re.search(r"/wheels/|torch==", command)
        if not (hashed or known):
            found.append(f"{command.strip()[:80]}: not by hashes")
    return found


def nothing_stays_that_builds(dockerfile: Dockerfile) -> list[str]:
    """The image itself is filled by COPY from stages before it; pip runs in those."""
    return [
        f"RUN {each.text[:60]}: in the image itself"
        for each in dockerfile.made()
        if each.name == "RUN" and re.search(r"\b(pip|npm|make|gcc|git)\b", each.text)
    ]


def its_files_can_be_read(dockerfile: Dockerfile) -> list[str]:
    """What comes from the context says its mode: that of a checkout is its owner's (umask), who is another user."""
    return [
        f"COPY {each.text}: without --chmod"
        for each in dockerfile.made()
        if each.name == "COPY" and each.sources and "--chmod=" not in each.text
    ]


def it_holds_no_secret(dockerfile: Dockerfile) -> list[str]:
    """ARG and ENV stay in an image's history for everybody to read."""
    return [
        f"{each.name} {key} looks like a secret"
        for stage in dockerfile.stages
        for each in stage.instructions
        if each.name in ("ARG", "ENV")
        for key in each.pairs or {each.text: ""}
        if _SECRET.search(key)
    ]


def its_variables_are_settings(dockerfile: Dockerfile) -> list[str]:
    """Of its own service, which listens to all of its container's addresses at the ports of the settings."""
    name = service(dockerfile)
    told = dockerfile.told("ENV")
    section = f"ANTIPHON_{name.upper().replace('-', '_')}"
    found = variables.complaints("ENV", name, told)
    if told.get(f"{section}_HOST") != "0.0.0.0":
        found.append(f"ENV {section}_HOST is not 0.0.0.0: nobody reaches it")
    ends = ("PORT", "HTTP_PORT", "METRICS_PORT")
    ports = {settings().get(f"{section}_{end}", "") for end in ends} - {""}
    exposed = dockerfile.last("EXPOSE")
    if exposed is None or set(exposed.text.split()) != ports:
        found.append(f"EXPOSE is not {' '.join(sorted(ports))}")
    return found


def it_says_what_it_is(dockerfile: Dockerfile) -> list[str]:
    """By the labels of the Open Container Initiative."""
    told = dockerfile.told("LABEL")
    wanted = ("title", "description", "licenses", "version", "revision", "source")
    return [
        f"no LABEL org.opencontainers.image.{each}"
        for each in wanted
        if f"org.opencontainers.image.{each}" not in told
    ]


def it_builds_anywhere(dockerfile: Dockerfile) -> list[str]:
    """No frontend to be pulled, and nothing that only a newer one than Docker's own understands."""
    found = []
    if re.search(r"^#\s*syntax\s*=", dockerfile.text, re.MULTILINE):
        found.append("# syntax= pulls a frontend")
    for stage in dockerfile.stages:
        for each in stage.instructions:
            if each.name in ("RUN", "COPY") and "<<" in each.text:
                found.append(f"{each.name}: a here-document")
            if each.name == "COPY" and "--link" in each.text:
                found.append("COPY --link")
    return found


RULES = (
    bases_are_pinned,
    it_runs_as_nobody_special,
    it_hears_signals,
    it_says_how_it_is,
    nothing_comes_unseen,
    nothing_stays_that_builds,
    its_files_can_be_read,
    it_holds_no_secret,
    its_variables_are_settings,
    it_says_what_it_is,
    it_builds_anywhere,
)
