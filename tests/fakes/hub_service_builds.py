"""The part of the fake hub service that builds: files sent along, builds, their logs."""

from __future__ import annotations

import hashlib
import json
import time

from .hub_service_data import BASE, new_job
from .hub_service_handlers import JOB, FakeHandler


class Contexts(FakeHandler):
    """Takes the files that go along with a Dockerfile."""

    def post(self) -> None:
        """Keep them."""
        if not self.request.body:
            self.refuse(422, "context_empty", "This archive is empty.")
            return
        digest = hashlib.sha256(self.request.body).hexdigest()
        id = f"{int(time.time())}-{digest[:24]}"
        self.fake.contexts[id] = self.request.body
        self.set_status(201)
        self.finish({"id": id, "bytes": len(self.request.body)})


class Builds(FakeHandler):
    """Begins builds."""

    def post(self) -> None:
        """Begin one."""
        body = json.loads(self.request.body)
        context = body.get("context")
        if context is not None and context not in self.fake.contexts:
            self.refuse(404, "context_not_found", "Send the files again.")
            return
        image = body["image"]
        title = image if isinstance(image, str) else image["name"]
        job = new_job({"user": self.fake.user, "name": ""}, title, kind="build")
        self.fake.start_job(job)
        self.set_status(202)
        self.finish(job)


class JobLog(FakeHandler):
    """The log of a build."""

    def get(self, job_id: str) -> None:
        """Return it as far as it is."""
        self.find(job_id)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self.fake.logs.get(job_id, ""))


default_handlers: list[tuple[str, type[FakeHandler]]] = [
    (BASE + "/builds", Builds),
    (BASE + "/contexts", Contexts),
    (JOB + "/log", JobLog),
]
