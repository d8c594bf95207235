"""Jobs: listing, following, cancelling."""

from typing import Any

from desktops_cli.errors import CommandError, Missing
from desktops_cli.running import Run
from desktops_cli.words import sentence

HEAD = (
    sentence("ID"),
    sentence("KIND"),
    sentence("STATE"),
    sentence("IMAGE"),
    sentence("BEGUN"),
    sentence("MESSAGE"),
)
WORDS = (
    sentence("commit"),
    sentence("build"),
    sentence("queued"),
    sentence("running"),
    sentence("succeeded"),
    sentence("failed"),
    sentence("cancelled"),
)
"""Marked here for the catalogues: a table translates a value."""
LENGTH = 32
SHOWN = 8
"""Characters of an id that a table shows: enough to tell a person's jobs apart."""


def jobs(run: Run) -> None:
    """List jobs, newest first, or follow one."""
    if run.given.follow:
        run.watch(find(run, run.given.follow)["id"])
        return
    everybody = {"all": "true"} if run.given.all else {}
    found = run.client.items("/jobs", **everybody)
    run.answer(
        run.table(HEAD, [_cells(run, one) for one in found], stretchy=(3, 5)),
        {"items": found},
    )


def _cells(run: Run, job: dict[str, Any]) -> list[str]:
    image, kind, state = job["image"], job["kind"], job["state"]
    return [
        job["id"][:SHOWN],
        run._(kind),
        run._(state),
        f"{image['owner']}/{image['name']}@{job['version']}",
        run.figures.age(job["created"]),
        job["message"],
    ]


def cancel(run: Run) -> None:
    """Cancel a job; one that has ended otherwise is said to have."""
    job = run.client.delete(f"/jobs/{find(run, run.given.job)['id']}")
    if job["ended"] is not None and job["state"] != "cancelled":
        raise CommandError(
            "job_ended",
            sentence("This job has ended already: {message}"),
            message=job["message"],
        )
    run.answer(job["message"], job)


def find(run: Run, id: str) -> dict[str, Any]:
    """Return the job with this id, or the one whose id begins so."""
    if len(id) == LENGTH:
        return run.client.get(f"/jobs/{id}")
    found = [one for one in run.client.items("/jobs") if one["id"].startswith(id)]
    if len(found) > 1:
        raise CommandError(
            "job_ambiguous",
            sentence("{count} of your jobs begin with {id}: write more of it."),
            count=len(found),
            id=id,
        )
    if not found:
        raise Missing(
            "job_not_found", sentence("None of your jobs begins with {id}."), id=id
        )
    return found[0]
