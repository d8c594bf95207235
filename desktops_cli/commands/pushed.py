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

    - asked again, it is the same version: a step that broke off may be repeated
    - one that is staged is waited for until it has passed, and nobody else can start it
    """
    found = _awaited(run, image, _asked(run, image, reference))
    if found["state"] == "published":
        done = sentence("Everybody can start version {number} of {image} now.")
    elif found["state"] == "passed" and run.given.stage:
        done = sentence(
            "Version {number} of {image} has passed: publish it by the same line without --stage."
        )
    else:
        raise _refused(found)
    run.answer(run._(done, number=found["version"], image=image), found)


def _asked(run: Run, image: ImageName, reference: str) -> dict[str, Any]:
    """Ask for it, and return how far it is."""
    body: dict[str, Any] = {"reference": reference, "note": run.given.note}
    if run.given.title:
        body["title"] = run.given.title
    if run.given.stage:
        # A hub that cannot keep it back refuses the word, and publishes nothing.
        body["stage"] = True
    path = image_path(image.owner, image.name)
    found = run.client.post(f"{path}/versions", body)
    if found["state"] == "waiting":
        run.say(
            run._(
                "Version {number} of {image} is being tried before it is published.",
                number=found["version"],
                image=image,
            )
        )
    return found


def _awaited(run: Run, image: ImageName, found: dict[str, Any]) -> dict[str, Any]:
    """Return how it ended; a service that is away for a while is waited for."""
    path = image_path(image.owner, image.name)
    where = f"{path}/versions/{found['version']}/publication"
    heard = time.monotonic()
    while found["state"] == "waiting":
        time.sleep(PAUSE)
        try:
            found = run.client.get(where)
            heard = time.monotonic()
        except Unavailable:
            if time.monotonic() - heard > PATIENCE:
                raise
    return found


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
