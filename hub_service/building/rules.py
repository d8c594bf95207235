"""What a submitted Dockerfile may say (pure): problems with line and rule, before anything runs.

base_forbidden      FROM, COPY --from or RUN --mount=from names an image that is not offered
base_variable       … hides the image's name behind a variable
syntax_image        # syntax= brings a reader of its own
add_url             ADD from an address: BuildKit itself would fetch it
host_access         RUN asks for the machine's network, devices or privileges
no_base             there is no FROM
too_long            the file is larger than a Dockerfile is
syntax              it cannot be read
"""

import re
from collections.abc import Iterator, Mapping

from hub_service.building.dockerfile import (
    Dockerfile,
    Instruction,
    Problem,
    Unreadable,
    read,
)
from hub_service.errors import sentence

MAX_BYTES = 256 * 1024
"""A ConfigMap has room for four of them; the longest in the field's projects has 40 kB."""

OWN_SYNTAX = re.compile(r"^(docker\.io/)?docker/dockerfile(:[\w.-]+)?$")
"""The usual line of that kind asks for what our builder has built in: it is taken as a comment."""

URL = re.compile(
    r"^(\[?\s*\"?)?(https?|ftp|git|ssh)(\+\w+)?://|^\"?git@|\.git(#\S*)?$", re.I
)


def problems(text: str, offered: Mapping[str, str]) -> list[Problem]:
    """Return everything in a Dockerfile that is refused, in the order of its lines.

    `offered` has as keys what may be written behind FROM.
    """
    if len(text.encode()) > MAX_BYTES:
        words = sentence(
            "A Dockerfile has {kilobytes} kB at most: put files beside it."
        )
        return [Problem(1, "too_long", words, {"kilobytes": str(MAX_BYTES // 1024)})]
    try:
        file = read(text)
        return sorted(_problems(file, offered), key=lambda one: one.line)
    except Unreadable as error:
        return [error.problem]


def bases(text: str) -> list[str]:
    """Return the images that the stages of an accepted Dockerfile start from, stages left out."""
    names: set[str] = set()
    found = []
    for stage in read(text).stages:
        if stage.image.lower() not in names:
            found.append(stage.image)
        names.add(stage.name)
    return found


def prepared(text: str) -> str:
    """Return an accepted Dockerfile as BuildKit gets it: with the same lines, without # syntax=."""
    line, _ = read(text).directives.get("syntax", (0, ""))
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    if line:
        # A comment that is no directive would end the directives: the escape must stay one.
        ending = lines[line - 1][len(lines[line - 1].rstrip("\r\n")) :]
        lines.insert(len(read(text).directives), "#" + ending)
        del lines[line - 1]
    return "".join(lines)


def _problems(file: Dockerfile, offered: Mapping[str, str]) -> Iterator[Problem]:
    if "syntax" in file.directives:
        line, value = file.directives["syntax"]
        if not OWN_SYNTAX.match(value):
            words = sentence(
                "The builder reads Dockerfiles itself: leave out # syntax={value}."
            )
            yield Problem(line, "syntax_image", words, {"value": value})
    if not file.stages:
        words = sentence(
            "There is no FROM: the first line says which image to start from."
        )
        yield Problem(1, "no_base", words, {})
    names: set[str] = set()
    for number, stage in enumerate(file.stages):
        if stage.image.lower() not in names:
            yield from _image(stage.line, stage.image, offered)
        for instruction in stage.instructions:
            yield from _instruction(instruction, names, number, offered)
        names.add(stage.name)


def _instruction(
    of: Instruction, names: set[str], number: int, offered: Mapping[str, str]
) -> Iterator[Problem]:
    if of.name == "ONBUILD":
        word, _, rest = of.rest.partition(" ")
        flags = tuple(part for part in rest.split() if part.startswith("--"))
        words = [part for part in rest.split() if not part.startswith("--")]
        inner = Instruction(of.line, word.upper(), flags, " ".join(words))
        yield from _instruction(inner, names, number, offered)
    if of.name in ("COPY", "ADD", "RUN"):
        for source in _sources(of):
            earlier = source.isascii() and source.isdigit() and int(source) < number
            if not earlier and source.lower() not in names:
                yield from _image(of.line, source, offered)
    if of.name == "ADD" and any(URL.search(word) for word in of.rest.split()[:-1]):
        words_ = sentence(
            "ADD takes files of yours only: fetch with RUN curl -fsSLO instead."
        )
        yield Problem(of.line, "add_url", words_, {})
    if of.name == "RUN":
        asked = [*of.flag("network"), *of.flag("security"), *of.flag("device")]
        if any(value not in ("default", "none", "sandbox") for value in asked):
            words_ = sentence("A build gets nothing of the machine: leave out {flags}.")
            yield Problem(of.line, "host_access", words_, {"flags": " ".join(of.flags)})


def _sources(of: Instruction) -> Iterator[str]:
    """Return the stages or images from which an instruction takes files."""
    yield from of.flag("from")
    for mount in of.flag("mount"):
        for option in mount.split(","):
            key, _, value = option.strip().strip("\"'").partition("=")
            if key.lower() == "from":
                yield value


def _image(line: int, image: str, offered: Mapping[str, str]) -> Iterator[Problem]:
    if "$" in image:
        words = sentence("Write the image's name out: {image} has a variable in it.")
        yield Problem(line, "base_variable", words, {"image": image})
    elif image not in offered:
        words = sentence(
            "{image} is not one of the tested images. Choose one of: {offered}."
        )
        # The images' own references may be written too, but nobody remembers those.
        short = sorted(name for name, meant in offered.items() if name != meant)
        names = ", ".join(short or sorted(offered))
        yield Problem(line, "base_forbidden", words, {"image": image, "offered": names})
