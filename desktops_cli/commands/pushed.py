"""Publishing what a pipeline has pushed to a registry, with a robot's token."""

import time
from typing import Any

from desktops_cli.arguments import ImageName
from desktops_cli.client import image_path
from desktops_cli.errors import CommandError, Unavailable
from desktops_cli.running import Run
from desktops_cli.words import sentence

PAUSE = 2.0
"""Seconds between two looks at a version that is being tried."""
PATIENCE = 300.0
"""Seconds without an answer after which it is given up."""


def publish_pushed(run: Run, image: ImageName, reference: str) -> None:
    """Make it a version, and wait until everybody can start it; raise when it is not passed.

    Asked again, it is the same version: a step that broke off may be repeated.
    """
    path = image_path(image.owner, image.name)
    body = {"reference": reference, "note": run.given.note}
    if run.given.title:
        body["title"] = run.given.title
    found = run.client.post(f"{path}/versions", body)
    if found["state"] == "waiting":
        run.say(
            run._(
                "Version {number} of {image} is being tried before it is published.",
                number=found["version"],
                image=image,
            )
        )
        where = f"{path}/versions/{found['version']}/publication"
        found = _awaited(run, where)
    if found["state"] != "published":
        raise _refused(found)
    done = run._(
        "Everybody can start version {number} of {image} now.",
        number=found["version"],
        image=image,
    )
    run.answer(done, found)


def _awaited(run: Run, where: str) -> dict[str, Any]:
    """Return how it ended; a service that is away for a while is waited for."""
    heard = time.monotonic()
    while True:
        try:
            found = run.client.get(where)
            heard = time.monotonic()
        except Unavailable:
            if time.monotonic() - heard > PATIENCE:
                raise
        else:
            if found["state"] != "waiting":
                return found
        time.sleep(PAUSE)


def _refused(found: dict[str, Any]) -> CommandError:
    details = {key: found[key] for key in ("version", "published_version", "job")}
    if error := found["error"]:
        return CommandError(error["code"], said=error["message"], details=details)
    return CommandError(
        "not_published",
        sentence(
            "Version {number} was not published: another one is, or it was cancelled."
        ),
        details=details,
        number=found["version"],
    )
