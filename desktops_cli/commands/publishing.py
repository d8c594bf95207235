"""Asking that everybody may start an image; publishing it, for administrators."""

from typing import Any

from desktops_cli.arguments import ImageName
from desktops_cli.client import image_path
from desktops_cli.commands.pushed import publish_pushed
from desktops_cli.errors import CommandError, UsageProblem
from desktops_cli.running import Run
from desktops_cli.words import sentence


def publish(run: Run) -> None:
    """Ask an administrator, be one, or be a pipeline that has pushed an image."""
    if run.given.pushed:
        publish_pushed(run, run.given.image, run.given.pushed)
        return
    if run.given.stage:
        raise UsageProblem(
            "stage_without_image", sentence("--stage goes with --image alone.")
        )
    if run.given.approve:
        _approve(run, run.given.image)
        return
    image = run.given.image
    body = {"note": run.given.note}
    if image.number is not None:
        body["version"] = image.number
    path = f"{image_path(image.owner, image.name)}/publication-requests"
    request = run.client.post(path, body)
    done = run._(
        "Version {number} of {image} is proposed; an administrator answers.",
        number=request["version"]["number"],
        image=ImageName(image.owner, image.name),
    )
    run.answer(done, request)


def _approve(run: Run, image: ImageName) -> None:
    """Answer the open request, so that its owner sees the answer; publish where there is none."""
    open_one = _open_request(run, image)
    if open_one is None:
        path = image_path(image.owner, image.name)
        number = image.number or _active(run, path)
        answer = run.client.patch(path, {"published_version": number})
    else:
        number = open_one["version"]["number"] if open_one["version"] else 0
        if image.number not in (None, number):
            raise CommandError(
                "other_version_asked",
                sentence("Version {number} was asked for: approve or refuse it first."),
                number=number,
            )
        decision = {"state": "approved", "reason": run.given.note}
        answer = run.client.patch(f"/publication-requests/{open_one['id']}", decision)
    done = run._(
        "Everybody can start version {number} of {image} now.",
        number=number,
        image=ImageName(image.owner, image.name),
    )
    run.answer(done, answer)


def _open_request(run: Run, image: ImageName) -> dict[str, Any] | None:
    wanted = (image.owner, image.name)
    for one in run.client.items("/publication-requests", state="open"):
        if (one["image"]["owner"], one["image"]["name"]) == wanted:
            return one
    return None


def _active(run: Run, path: str) -> int:
    active = run.client.get(path)["active_version"]
    if active is None:
        raise CommandError(
            "version_missing", sentence("This image has no version that starts.")
        )
    return int(active["number"])
