"""What a .dockerignore leaves out (pure).

Format: https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

import posixpath
import re


class Ignored:
    """The patterns of a .dockerignore.

    - the last pattern that matches a path, or a folder above it, decides
    - `!` brings back, `*` and `?` match within a name, `**` any number of folders
    """

    def __init__(self, text: str) -> None:
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        for line in text.splitlines():
            stripped = line.strip()
            if not stripped or line.startswith("#"):
                continue
            brings_back = stripped.startswith("!")
            pattern = posixpath.normpath(stripped.removeprefix("!").strip()).lstrip("/")
            if pattern != ".":
                self._patterns.append((brings_back, _expression(pattern)))

    @property
    def has_exceptions(self) -> bool:
        """True when something below an ignored folder may be taken."""
        return any(brings_back for brings_back, _ in self._patterns)

    def matches(self, path: str) -> bool:
        """Say whether a path, written with / and relative to the folder, is left out."""
        steps = path.split("/")
        places = ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]
        left_out = False
        for brings_back, pattern in self._patterns:
            if any(pattern.fullmatch(place) for place in places):
                left_out = not brings_back
        return left_out


def _expression(pattern: str) -> re.Pattern[str]:
    expression, rest = "", pattern
    while rest:
        if rest.startswith("**/"):
            taken, meaning = 3, "(?:.*/)?"
        elif rest.startswith("**"):
            taken, meaning = 2, ".*"
        elif rest[0] == "*":
            taken, meaning = 1, "[^/]*"
        elif rest[0] == "?":
            taken, meaning = 1, "[^/]"
        elif found := re.match(r"\[(\^?)([^\]\\]+)\]", rest):
            signs = [one if one == "-" else re.escape(one) for one in found[2]]
            taken, meaning = found.end(), f"[{found[1]}{''.join(signs)}]"
        elif rest[0] == "\\" and len(rest) > 1:
            taken, meaning = 2, re.escape(rest[1])
        else:
            taken, meaning = 1, re.escape(rest[0])
        expression, rest = expression + meaning, rest[taken:]
    return re.compile(expression, flags=re.S)
