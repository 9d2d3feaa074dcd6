"""API keys: how they are made, and what is kept of them.

``python -m services.runtime.keys NAME`` makes one, wherever the gateway is installed; `antiphon key new NAME` does the same.
"""

import hashlib
import json
import secrets
import sys
from dataclasses import dataclass

KEY_PREFIX = "ak_"
HASH_PREFIX = "sha256:"
LONGEST_NAME = 64
"""Characters of the name of a key."""
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made.

    Attributes:
        key: for its holder.
        line: for the gateway's file of keys, without the key.
    """

    key: str
    line: str

    @property
    def notice(self) -> str:
        """What to do with them, for people."""
        return (
            f"The line for the file that ANTIPHON_GATEWAY_KEYS names:\n\n{self.line}\n\n"
            "The key is not stored anywhere: hand it on now. Clients send it as `Authorization: Bearer KEY`; "
            "`antiphon talk` takes it from ANTIPHON_API_KEY."
        )


def make(name: str) -> NewKey:
    """Make a key.

    Args:
        name: whose it is; logs say it.

    Raises:
        ValueError: it is empty, too long, or more than a line.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"the name must be one line of 1 to {LONGEST_NAME} characters")
    key = new_key()
    # JSON is YAML, and quotes whatever a name may hold.
    quoted = json.dumps(name, ensure_ascii=False)
    return NewKey(key, f'- {{name: {quoted}, hash: "{hashed(key)}"}}')


def new_key() -> str:
    """A key that nobody guesses: 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hashed(key: str) -> str:
    """What is kept of a key."""
    # A slow hash makes guessing of passwords dear, which are few. Of keys of 256 random bits there is nothing to guess,
    # and a slow hash at every request would only cost time.
    return (
        HASH_PREFIX + hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest()
    )


def main(arguments: list[str]) -> None:
    """Print a new key, and beside it the line for the file."""
    if len(arguments) != 1:
        sys.exit("usage: python -m services.runtime.keys NAME")
    try:
        made = make(arguments[0])
    except ValueError as error:
        sys.exit(str(error))
    # Line by line in one piece: a container's two streams become one.
    sys.stdout.write(f"{made.key}\n")
    sys.stdout.flush()
    sys.stderr.write(f"{made.notice}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
