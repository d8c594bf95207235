"""Saving a running desktop."""

from pathlib import Path
from typing import Any

from desktops_cli.errors import UsageProblem
from desktops_cli.running import Run
from desktops_cli.words import sentence


def save(run: Run) -> None:
    """Save a desktop as a new version, and wait for the end unless told not to."""
    given = run.given
    name = run.settings.server if given.server is None else given.server
    server = {"user": run.client.user(), "name": name}
    exclude = [_absolute(path, run.settings.in_session) for path in given.exclude]
    image = image_of(run, given.image) if given.image else _origin(run, server)
    job = run.client.post(
        "/commits",
        {
            "server": server,
            "image": image,
            "description": given.description,
            "include_home": not given.no_home,
            "exclude": exclude,
            "stop_after": given.stop,
            "start_test": given.test,
            "activate": not given.stage,
        },
    )
    run.finish(job)


def image_of(run: Run, text: str) -> str | dict[str, str]:
    """Return what a person calls an image: one of theirs by its name, or a title."""
    own = f"{run.client.user()}/"
    return {"name": text.removeprefix(own)} if text.startswith(own) else text


def _origin(run: Run, server: dict[str, str]) -> dict[str, str]:
    """Return the person's own image that this desktop was started from."""
    preview: dict[str, Any] = run.client.post("/commits/preview", {"server": server})
    if preview["image"] is None:
        raise UsageProblem(
            "image_missing",
            sentence(
                "This desktop was not started from an image of yours: say under which name to "
                "save it, for example desktops save 'GIS course'."
            ),
        )
    return {"name": preview["image"]["name"]}


def _absolute(path: str, here: bool) -> str:
    """Return a path of the desktop; a relative one is meant from here, if here is the desktop."""
    if path.startswith("/"):
        return path
    if not here:
        raise UsageProblem(
            "path_relative",
            sentence("{path} is a path of the desktop: write it from / on."),
            path=path,
        )
    return str(Path.cwd() / path)
