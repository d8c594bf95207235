"""Images and their versions: listing, rolling back, deleting."""

from typing import Any

from desktops_cli.arguments import ImageName
from desktops_cli.client import image_path
from desktops_cli.figures import printable
from desktops_cli.running import Run
from desktops_cli.words import sentence

IMAGE_HEAD = (
    sentence("IMAGE"),
    sentence("TITLE"),
    sentence("VERSION"),
    sentence("SIZE"),
    sentence("VISIBILITY"),
    sentence("SAVED"),
)
VERSION_HEAD = (
    sentence("VERSION"),
    sentence("STATE"),
    sentence("SIZE"),
    sentence("NEW"),
    sentence("SAVED"),
    sentence("WHAT IS NEW"),
)
VISIBILITIES = (sentence("private"), sentence("shared"), sentence("published"))
"""Marked here for the catalogues."""


def images(run: Run) -> None:
    """List the images that the person may see, newest first."""
    found = run.client.items("/images", q=" ".join(run.given.words))
    names = [printable(f"{one['owner']}/{one['name']}") for one in found]
    if run.given.quiet:
        text = "\n".join(names)
    else:
        rows = [
            [name, *_cells(run, one)] for name, one in zip(names, found, strict=True)
        ]
        text = run.table(IMAGE_HEAD, rows, stretchy=(0, 1))
    run.answer(text, {"items": found})


def _cells(run: Run, image: dict[str, Any]) -> list[str]:
    visibility = image["visibility"]
    version = image["active_version"] or {"number": "", "size": 0, "created": None}
    return [
        image["title"],
        str(version["number"]),
        run.figures.size(version["size"]),
        run._(visibility),
        run.figures.age(version["created"]),
    ]


def versions(run: Run) -> None:
    """List the versions of an image, newest first."""
    path = image_path(run.given.image.owner, run.given.image.name)
    image = run.client.get(path)
    found = run.client.items(f"{path}/versions")
    rows = [
        [
            str(one["number"]),
            _state(run, image, one["number"]),
            run.figures.size(one["size"]),
            run.figures.size(one["new_bytes"]),
            run.figures.age(one["created"]),
            one["note"],
        ]
        for one in found
    ]
    run.answer(run.table(VERSION_HEAD, rows, stretchy=(5,)), {"items": found})


def _state(run: Run, image: dict[str, Any], number: int) -> str:
    active = image["active_version"]
    states = []
    if active and active["number"] == number:
        states.append(run._("active"))
    if image["published_version"] == number:
        states.append(run._("published"))
    return ", ".join(states)


def rollback(run: Run) -> None:
    """Let another version start."""
    image, number = run.given.image, run.given.number
    changed = run.client.patch(
        image_path(image.owner, image.name), {"active_version": number}
    )
    done = run._("{image}: version {number} starts now.", image=image, number=number)
    run.answer(done, changed)


def remove(run: Run) -> None:
    """Delete an image with all its versions, or one version."""
    _, image = run._, run.given.image
    path = image_path(image.owner, image.name)
    if image.number is None:
        count = run.client.get(path)["versions"]
        question = _.ngettext(
            "Delete {image} with its version?",
            "Delete {image} with its {count} versions?",
            count,
            image=image,
        )
    else:
        path = f"{path}/versions/{image.number}"
        whole = ImageName(image.owner, image.name)
        question = _(
            "Delete version {number} of {image}?", number=image.number, image=whole
        )
    run.confirm(question)
    answer = run.client.delete(path)
    freed = run.figures.size(answer["freed_bytes"])
    run.answer(
        _("{image} is deleted; {size} become free.", image=image, size=freed), answer
    )
