"""The part of the Kubernetes API that hub_service uses for Jobs, beside kubernetes_api.py.

A Job gets a pod at once; a test plays its containers by `Build`: what they tell, how they end.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from tornado.iostream import StreamClosedError

from tests.fakes.http import JsonHandler

JOB = "desktops.jupyter.org/job"


@dataclass
class Build:
    """One Job with its pod."""

    body: dict[str, Any]
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    states: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    trouble: str = ""

    def __post_init__(self) -> None:
        for one in [*self.init, *self.spec["containers"]]:
            self.states[one["name"]] = "waiting"
            self.logs[one["name"]] = ""

    @property
    def spec(self) -> dict[str, Any]:
        """The pod's."""
        found: dict[str, Any] = self.body["spec"]["template"]["spec"]
        return found

    @property
    def init(self) -> list[dict[str, Any]]:
        """The containers that run one after the other, before the others."""
        found: list[dict[str, Any]] = self.spec.get("initContainers", [])
        return found

    @property
    def name(self) -> str:
        """The Job's name."""
        return str(self.body["metadata"]["name"])

    @property
    def pod(self) -> str:
        """The pod's name."""
        return f"{self.name}-{self.uid[:5]}"

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        found: dict[str, str] = self.body["spec"]["template"]["metadata"]["labels"]
        return found

    def environment(self, container: str) -> dict[str, str]:
        """Return what a container gets besides the template's."""
        for one in [*self.init, *self.spec["containers"]]:
            if one["name"] == container:
                return {pair["name"]: pair["value"] for pair in one.get("env", [])}
        raise AssertionError(f"no container {container}")

    def tell(self, container: str, *lines: object) -> None:
        """Let a container run and write lines: texts, or objects as JSON."""
        order = [one["name"] for one in self.init]
        before = order[: order.index(container)] if container in order else order
        for name in before:
            if self.states[name] in ("waiting", "running"):
                self.states[name] = "done"
        together = [container]
        if container not in order:
            together = [one["name"] for one in self.spec["containers"]]
        for name in together:
            if self.states[name] == "waiting":
                self.states[name] = "running"
        for line in lines:
            text = line if isinstance(line, str) else json.dumps(line)
            self.logs[container] += f"{text}\n"
        self._wake()

    def end(self, container: str, *, failed: bool = False, reason: str = "") -> None:
        """Let a container end."""
        self.states[container] = "failed" if failed else "done"
        self.reason = reason
        self._wake()

    def to_pod(self) -> dict[str, Any]:
        """Return the pod as the API gives it."""
        init = [one["name"] for one in self.init]
        last = self.spec["containers"][-1]["name"]
        prepared = all(self.states[name] == "done" for name in init)
        phase = "Running" if prepared else "Pending"
        if "failed" in self.states.values():
            phase = "Failed"
        elif self.states[last] == "done":
            phase = "Succeeded"
        statuses = [self._status(name) for name in self.states]
        return {
            "metadata": {
                "name": self.pod,
                "uid": self.uid,
                "labels": self.labels,
                "creationTimestamp": "2026-11-20T12:00:00Z",
            },
            "spec": {"containers": [{"name": last, "image": "builder"}]},
            "status": {
                "phase": phase,
                "initContainerStatuses": statuses[: len(init)],
                "containerStatuses": statuses[len(init) :],
            },
        }

    def _status(self, name: str) -> dict[str, Any]:
        state = {
            "waiting": {"waiting": {"reason": self.trouble or "PodInitializing"}},
            "running": {"running": {}},
            "done": {"terminated": {"exitCode": 0, "reason": "Completed"}},
            "failed": {"terminated": {"exitCode": 1, "reason": self.reason or "Error"}},
        }[self.states[name]]
        return {
            "name": name,
            "image": "builder",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": state,
        }

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class FakeWorkloads:
    """Jobs, ConfigMaps and volume claims by name."""

    def __init__(self) -> None:
        self.builds: dict[str, Build] = {}
        self.config_maps: dict[str, dict[str, Any]] = {}
        self.claims: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Any]:
        """Return what the API server serves of it."""
        core, batch = (
            "/api/v1/namespaces/desktops",
            "/apis/batch/v1/namespaces/desktops",
        )
        fake = {"fake": self}
        return [
            (f"{batch}/jobs", JobsHandler, fake),
            (f"{batch}/jobs/([^/]+)", JobHandler, fake),
            (f"{core}/configmaps", ConfigMapsHandler, fake),
            (f"{core}/persistentvolumeclaims", ClaimsHandler, fake),
            (f"{core}/pods/([^/]+)/log", LogHandler, fake),
        ]

    def of_job(self, id: str) -> Build:
        """Return the build that runs for a job of hub_service."""
        return next(one for one in self.builds.values() if one.labels[JOB] == id)

    def remove(self, name: str) -> None:
        """Let a Job be gone, with what belongs to it."""
        build = self.builds.pop(name)
        build._wake()
        self.config_maps.pop(name, None)


class CreatingHandler(JsonHandler):
    """Creates objects by name."""

    fake: FakeWorkloads

    def create(self, known: dict[str, Any], made: Any) -> None:
        """Keep the object, or answer 409."""
        name = self.body["metadata"]["name"]
        if name in known:
            self.answer(409, {"kind": "Status", "reason": "AlreadyExists"})
            return
        known[name] = made
        self.answer(201, self.body)


class JobsHandler(CreatingHandler):
    """Jobs."""

    def post(self) -> None:
        """Create."""
        self.create(self.fake.builds, Build(self.body))

    def get(self) -> None:
        """List by label."""
        key, _, value = self.get_query_argument("labelSelector").partition("=")
        found = [
            one for one in self.fake.builds.values() if one.labels.get(key) == value
        ]
        items = [_job(one) for one in found]
        self.answer(200, {"kind": "JobList", "metadata": {}, "items": items})


class JobHandler(JsonHandler):
    """One Job."""

    fake: FakeWorkloads

    def get(self, name: str) -> None:
        """Read."""
        if name not in self.fake.builds:
            return self.answer(404, {"kind": "Status", "reason": "NotFound"})
        self.answer(200, _job(self.fake.builds[name]))

    def delete(self, name: str) -> None:
        """Delete, with pod and ConfigMap."""
        if name not in self.fake.builds:
            return self.answer(404, {"kind": "Status", "reason": "NotFound"})
        self.fake.remove(name)
        self.answer(200, {"kind": "Status", "status": "Success"})


class ConfigMapsHandler(CreatingHandler):
    """ConfigMaps."""

    def post(self) -> None:
        """Create."""
        self.create(self.fake.config_maps, self.body)


class ClaimsHandler(CreatingHandler):
    """Volume claims."""

    def post(self) -> None:
        """Create."""
        self.create(self.fake.claims, self.body)


class LogHandler(JsonHandler):
    """A container's log."""

    fake: FakeWorkloads

    async def get(self, pod: str) -> None:
        """Send what is there, and what comes until the container ends."""
        container = self.get_query_argument("container")
        build = next((one for one in self.fake.builds.values() if one.pod == pod), None)
        if build is None:
            return self.answer(404, {"kind": "Status", "reason": "NotFound"})
        if build.states[container] == "waiting":
            return self.answer(400, {"kind": "Status", "reason": "BadRequest"})
        if not self.get_query_argument("follow", ""):
            self.finish(build.logs[container])
            return
        try:
            await self._follow(build, container)
        except StreamClosedError:
            # Whoever followed has gone.
            return

    async def _follow(self, build: Build, container: str) -> None:
        sent = 0
        while True:
            changed = build.changed
            self.write(build.logs[container][sent:])
            sent = len(build.logs[container])
            await self.flush()
            gone = build not in self.fake.builds.values()
            if gone or build.states[container] in ("done", "failed"):
                return
            await changed.wait()


def _job(build: Build) -> dict[str, Any]:
    return {**build.body, "metadata": {**build.body["metadata"], "uid": build.uid}}
