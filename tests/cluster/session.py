"""A running session whose saves a test follows."""

import uuid
from typing import Any

from playwright.sync_api import Page

from tests.cluster.conftest import Demo, wait_for
from tests.cluster.desktop import API, headers, post


class Desktop:
    """A person's running session: saved by the API, as their browser does, and looked after."""

    def __init__(self, cluster: Demo, page: Page, user: str) -> None:
        self.cluster = cluster
        self.page = page
        self.user = user
        self.pod = cluster.pod_of(user)

    def save(self, title: str, **fields: Any) -> Any:
        """Ask for a save of everything, as the person's browser.

        With a choice of its own: what is kept of the save before fits only the same choices.
        """
        choice = {"exclude": [f"/nothing/{uuid.uuid4().hex}"]}
        body = {"server": {"user": self.user}, "image": title, **choice, **fields}
        return post(self.page, "/commits", body)

    def delete(self, image: str) -> None:
        """Delete an image of the person's."""
        path = f"{API}/images/{self.user}/{image}"
        reply = self.page.request.delete(path, headers=headers(self.page))
        assert reply.ok, reply.text()

    def job(self, id: str) -> dict[str, Any]:
        """Return a job."""
        job: dict[str, Any] = self.page.request.get(f"{API}/jobs/{id}").json()
        return job

    def in_step(self, id: str, step: str) -> None:
        """Wait until a save is in a step; one that is over by then was too small for its test."""

        def reached() -> bool:
            job = self.job(id)
            assert job["state"] in ("queued", "running"), (step, job)
            return bool(job["step"] == step)

        wait_for(f"the step {step}", reached, 60, every=0.05)

    def begun(self, id: str) -> int:
        """Return how often the agent that runs now has begun a save."""
        log = self.cluster.kubectl("logs", "daemonset/snapshot-agent", "--tail=-1")
        return log.count(f"save begins save={id} ")

    def end_of(self, id: str) -> dict[str, Any]:
        """Wait for a save's end."""

        def ended() -> dict[str, Any] | None:
            job = self.job(id)
            return None if job["state"] in ("queued", "running") else job

        job: dict[str, Any] = wait_for("the end of the save", ended, 240)
        return job

    def works(self) -> None:
        """The desktop is not frozen and can write in a directory of the base image."""
        script = "echo $RANDOM | sudo tee /usr/share/doc/alive && sudo rm /usr/share/doc/alive"
        # Nothing is begun in a container that is held still: it is asked again.
        wait_for(
            "it works", lambda: self.cluster.run(self.pod, script, check=False), 10
        )
