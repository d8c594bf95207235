"""The pod's own secrets, looked for in everything that is about to enter an image. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Shorter values are found everywhere by accident.
SHORTEST = 16

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|COOKIE|(^|_)(KEY|AUTH|PW|PAT)(_|$)", re.I
)
# Addresses, paths, host names, numbers, sentences and words: what configuration is made of,
# and what may stand in a file of the desktop for good reasons.
_PUBLIC_VALUE = re.compile(r"[a-z0-9]*[-.:/\s].*|[0-9]+|[A-Za-z]+|.*[/\s{\[].*", re.S)


def canaries(process_env: Iterable[str], image_env: Iterable[str]) -> tuple[bytes, ...]:
    """The values that a pod was given and its image does not have, as far as they look secret.

    - a name that says token, password, key and the like makes any long value one;
    - else a value must look random;
    - none is part of another, so each is looked for once.
    """
    known = set(image_env)
    found: set[bytes] = set()
    for variable in process_env:
        name, _, value = variable.partition("=")
        if variable in known or len(value) < SHORTEST:
            continue
        if _SECRET_NAME.search(name) or not _PUBLIC_VALUE.fullmatch(value):
            found.add(value.encode("utf-8", "surrogateescape"))
    return tuple(
        sorted(
            one
            for one in found
            if not any(one != other and other in one for other in found)
        )
    )


def masked(text: str, values: Iterable[bytes]) -> str:
    """The text with "..." in the place of each value: what people are told is kept somewhere."""
    for value in values:
        text = text.replace(value.decode("utf-8", "surrogateescape"), "...")
    return text


class Scanner:
    """Looks for canaries in one stream, also across the edges of its pieces."""

    def __init__(self, values: tuple[bytes, ...]) -> None:
        self._values = values
        self._overlap = max((len(value) for value in values), default=1) - 1
        self._tail = b""

    def hit(self, piece: bytes) -> bool:
        """True when a canary ends in this piece."""
        if not self._values:
            return False
        edge = self._tail + piece[: self._overlap] if self._tail else b""
        if any(value in piece or value in edge for value in self._values):
            return True
        if self._overlap:
            # A piece may be shorter than a canary: then the tail grows over several.
            self._tail = (self._tail + piece[-self._overlap :])[-self._overlap :]
        return False
