"""API keys: how they are made, and what is kept of them."""

import hashlib
import secrets

KEY_PREFIX = "ak_"
HASH_PREFIX = "sha256:"
_RANDOM_BYTES = 32


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
