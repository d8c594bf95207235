"""Reads a Dockerfile as far as its rules need: instructions with their lines (pure).

The rules give a person the line and the reason before anything runs. They are not the fence:
BuildKit itself gets a source policy (source_policy.py) that lets it reach nothing but the images
named here, however the file is read. Syntax: the Dockerfile reference, BuildKit's parser.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub_service.errors import sentence

INSTRUCTIONS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR".split()
)
HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\2")
DIRECTIVE = re.compile(r"^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
TAKE_HEREDOCS = frozenset(("ADD", "COPY", "RUN"))


@dataclass(frozen=True)
class Problem:
    """A line, the rule that it breaks, and what to do."""

    line: int
    rule: str
    text: str
    """An English sentence with named places, filled from `values`."""
    values: dict[str, str]


class Unreadable(Exception):
    """The file is no Dockerfile; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


@dataclass(frozen=True)
class Instruction:
    """One instruction: its first line, its name in capitals, flags and the rest."""

    line: int
    name: str
    flags: tuple[str, ...]
    rest: str

    def flag(self, name: str) -> list[str]:
        """Return the values of a flag: `--from=x` has the value x."""
        start = f"--{name}="
        return [flag[len(start) :] for flag in self.flags if flag.startswith(start)]


@dataclass(frozen=True)
class Stage:
    """A FROM and what follows it."""

    line: int
    image: str
    name: str
    """What later stages call it, in small letters; empty when they use its number."""
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dockerfile:
    """A file as it was read."""

    text: str
    directives: dict[str, tuple[int, str]]
    """Name in small letters -> line and value; only those at the top count."""
    instructions: tuple[Instruction, ...]
    """All of them, ARGs before the first FROM included."""

    @property
    def stages(self) -> list[Stage]:
        """The stages in their order."""
        starts = [
            number for number, one in enumerate(self.instructions) if one.name == "FROM"
        ]
        ends = [*starts, len(self.instructions)][1:]
        return [
            _stage(self.instructions[start], self.instructions[start + 1 : end])
            for start, end in zip(starts, ends, strict=True)
        ]


def read(text: str) -> Dockerfile:
    """Read a Dockerfile, or raise Unreadable with the line that cannot be read."""
    lines = text.removeprefix("\ufeff").splitlines()
    directives = _directives(lines)
    escape = directives.get("escape", (0, "\\"))[1]
    if escape not in ("\\", "`"):
        raise _unreadable(
            directives["escape"][0], sentence("The escape character is \\ or `.")
        )
    return Dockerfile(text, directives, tuple(_instructions(lines, escape)))


def _directives(lines: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return the comments at the very top that are directives."""
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, start=1):
        match = DIRECTIVE.match(line.strip())
        if not match or match[1].lower() in found:
            break
        found[match[1].lower()] = (number, match[2])
    return found


def _instructions(lines: Sequence[str], escape: str) -> Iterator[Instruction]:
    goes_on = re.compile(re.escape(escape) + r"[ \t]*$")
    number = 0
    while number < len(lines):
        first = number
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [goes_on.sub("", line)]
        while goes_on.search(line) and number < len(lines):
            following = lines[number]
            number += 1
            # Comments and empty lines do not end what goes on.
            if not following.strip() or following.lstrip().startswith("#"):
                continue
            line = following
            parts.append(goes_on.sub("", line))
        instruction = _instruction(first + 1, "".join(parts))
        if instruction.name in TAKE_HEREDOCS:
            number = _after_heredocs(lines, number, instruction)
        yield instruction


def _instruction(line: int, text: str) -> Instruction:
    word, _, rest = text.strip().partition(" ")
    name = word.upper()
    if name not in INSTRUCTIONS:
        raise _unreadable(line, sentence("{word} is no instruction."), word=word[:40])
    flags = []
    rest = rest.strip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
        rest = rest.lstrip()
    if not rest:
        raise _unreadable(line, sentence("{word} says nothing."), word=name)
    return Instruction(line, name, tuple(flags), rest)


def _after_heredocs(lines: Sequence[str], number: int, of: Instruction) -> int:
    """Return the first line after the texts that an instruction brings along."""
    for indented, _, word in HEREDOC.findall(of.rest):
        while number < len(lines):
            line = lines[number].lstrip("\t") if indented else lines[number]
            number += 1
            if line == word:
                break
        else:
            raise _unreadable(
                of.line,
                sentence("The text that ends with {word} has no end."),
                word=word,
            )
    return number


def _stage(of: Instruction, instructions: Sequence[Instruction]) -> Stage:
    words = of.rest.split()
    if len(words) == 3 and words[1].upper() == "AS":
        name = words[2].lower()
    elif len(words) == 1:
        name = ""
    else:
        raise _unreadable(
            of.line, sentence("FROM is written: FROM image, or FROM image AS name.")
        )
    return Stage(of.line, words[0], name, tuple(instructions))


def _unreadable(line: int, text: str, **values: str) -> Unreadable:
    return Unreadable(Problem(line, "syntax", text, values))
