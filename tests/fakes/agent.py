"""A snapshot agent that reads no desktop: it speaks the wire and pushes a real manifest.

Tests decide how each of its saves goes; what it pushes is a manifest of two small blobs in
the registry, so that hub_service verifies something that is there.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from oci.client import RegistryClient
from oci.manifest import Descriptor
from oci.names import repository, tag
from oci.reference import Digest
from oci.upload import bytes_source
from tests.fakes.http import JsonHandler, serving

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
STEPS = ("plan", "read", "freeze", "push", "manifest")


class FakeAgent:
    """One agent; `script` says what becomes of the next saves, one word each.

    succeed (also when the script is empty), fail, hang, forget (as after a restart)
    """

    def __init__(self, registry_url: str) -> None:
        self.registry_url = registry_url
        self.script: list[str] = []
        self.commits: dict[str, dict[str, Any]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.refuse: tuple[int, str] | None = None
        self.refused: tuple[str, ...] = ("GET", "POST", "DELETE")
        self.error = ("registry_unavailable", "the registry did not answer")
        self.push_before_failing = False
        self.result: dict[str, Any] = {}
        """What the results say otherwise."""
        self.wanted: list[dict[str, Any]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve until the end of the block; give the address."""
        fake = {"fake": self}
        routes = [
            ("/v1/preview", PreviewHandler, fake),
            ("/v1/commits", CommitsHandler, fake),
            ("/v1/images", ImagesHandler, fake),
            ("/v1/commits/([^/]+)", CommitHandler, fake),
        ]
        async with serving(routes) as address:
            yield address

    async def start(self, body: dict[str, Any]) -> dict[str, Any]:
        """Begin a save, or answer the one of that id."""
        self.bodies.append(body)
        known = self.commits.get(body["id"])
        if known:
            return known
        act = self.script.pop(0) if self.script else "succeed"
        status = _status(body["id"])
        if act != "forget":
            self.commits[body["id"]] = status
        if act == "succeed" or self.push_before_failing:
            result = await self._push(body)
            if act == "succeed":
                status.update(state="succeeded", step="manifest", result=result)
        if act == "fail":
            code, message = self.error
            status.update(
                state="failed", error={"code": code, "message": message, "details": {}}
            )
        return status

    async def _push(self, body: dict[str, Any]) -> dict[str, Any]:
        where = repository("desktops", body["owner"], body["image"])
        config = json.dumps({"id": body["id"]}).encode()
        layer = body["id"].encode()
        async with httpx.AsyncClient() as http:
            client = RegistryClient(self.registry_url, http)
            for blob in (config, layer):
                await client.put_blob(
                    where, _descriptor(LAYER, blob), bytes_source(blob)
                )
            manifest = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST,
                    "config": _descriptor(CONFIG, config).to_json(),
                    "layers": [_descriptor(LAYER, layer).to_json()],
                }
            ).encode()
            digest = await client.put_manifest(
                where, tag(body["number"]), manifest, MANIFEST
            )
        layers: dict[str, Any] = {"new_layers": {str(Digest.of(layer)): 100}}
        layers |= {"unchanged": False, "kept_layers": 0, "joined_layers": []}
        return {**_result(str(digest), where), **layers, **self.result}


class AgentHandler(JsonHandler):
    """Wants a token."""

    fake: FakeAgent

    def prepare(self) -> None:
        """Refuse who has none or a wrong one, or everybody when the test says so."""
        token = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.fake.tokens.add(token)
        if token in ("", "wrong"):
            self.error(401, "forbidden")
        elif self.fake.refuse and self.request.method in self.fake.refused:
            self.error(*self.fake.refuse)

    def error(self, status: int, code: str) -> None:
        """Answer an error."""
        self.answer(
            status, {"error": {"code": code, "message": f"{code} {{}}", "details": {}}}
        )


class PreviewHandler(AgentHandler):
    """What a save would take."""

    def post(self) -> None:
        """Return always the same."""
        self.fake.bodies.append(self.body)
        self.answer(200, PREVIEW)


class CommitsHandler(AgentHandler):
    """Saves."""

    async def post(self) -> None:
        """Begin one."""
        self.answer(202, await self.fake.start(self.body))


class ImagesHandler(AgentHandler):
    """What should be on the node."""

    def put(self) -> None:
        """Have it all there at once."""
        self.fake.wanted = self.body["images"]
        states = [
            {"reference": one["reference"], "state": "ready", "why": ""}
            for one in self.fake.wanted
        ]
        self.answer(200, {"images": states})


class CommitHandler(AgentHandler):
    """A save."""

    def get(self, id: str) -> None:
        """Say how far it is."""
        status = self.fake.commits.get(id)
        if status:
            self.answer(200, status)
        else:
            self.error(404, "commit_unknown")

    def delete(self, id: str) -> None:
        """Cancel it."""
        status = self.fake.commits.get(id)
        if status and status["state"] == "running":
            status["state"] = "cancelled"
        if status:
            self.answer(202, status)
        else:
            self.error(404, "commit_unknown")


PREVIEW: dict[str, Any] = {
    "bytes": 412_000_000,
    "entries": 7018,
    "packages": {
        "added": [{"name": "cowsay", "version": "3.03", "kind": "apt"}],
        "removed": [],
        "upgraded": [],
    },
    "home": {
        "bytes": 38_000_000,
        "entries": 12,
        "on_volume": False,
        "path": "/home/jovyan",
        "biggest": [],
    },
    "left_out": [{"path": "/home/jovyan/.ssh", "reason": "secret", "bytes": 1200}],
    "biggest": [{"path": "/usr/games", "bytes": 4096}],
    "volumes": [],
    "seconds_estimate": 4.0,
}


def _status(id: str) -> dict[str, Any]:
    steps = [
        {
            "name": name,
            "state": "waiting",
            "seconds": 0.0,
            "bytes_done": 0,
            "bytes_total": None,
        }
        for name in STEPS
    ]
    return {
        "id": id,
        "state": "running",
        "step": "read",
        "bytes_done": 10,
        "bytes_total": 100,
        "rate": 1000.0,
        "steps": steps,
        "result": None,
        "error": None,
    }


def _result(digest: str, where: str) -> dict[str, Any]:
    base = {"name": "example.org/base:1", "digest": "sha256:" + "0" * 64}
    return {
        "digest": digest,
        "reference": f"localhost:30500/{where}@{digest}",
        "base": base,
        "origin": base,
        "size": 1000,
        "layers": 2,
        "new_bytes": 100,
        "changed_bytes": 4096,
        "entries": 3,
        "packages": {"added": [], "removed": [], "upgraded": []},
        "biggest": [],
        "left_out": [],
        "changed_while_saved": [],
        "seconds": {
            "plan": 0.1,
            "read": 0.2,
            "freeze": 0.01,
            "push": 0.3,
            "total": 0.61,
        },
        "peak_memory": 1000,
    }


def _descriptor(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type, Digest.of(data), len(data))
