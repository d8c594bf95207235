"""Start-tests as a test plays them: what is tried, and what the tester tells."""

import base64
from typing import Any

import httpx

from tests.fakes.hub import ADMIN
from tests.fakes.kubernetes_jobs import Build
from tests.service.conftest import World
from tests.service.test_builds import begun, job_of, result, wait_for

WEBP = b"RIFF\x00\x00\x00\x00WEBP"
PASSED = {
    "result": {
        "colours": 5000,
        "seconds": 7.5,
        "picture": {
            "media_type": "image/webp",
            "data": base64.b64encode(WEBP).decode(),
        },
    }
}
BLANK = {"error": {"code": "blank", "message": "The screen stays empty", "details": {}}}


async def trial_of(world: World, id: str) -> Build:
    """Wait for the Job that tries the version of a job."""
    found: Build = await wait_for(lambda: world.cluster.workloads.of_job(f"{id}-test"))
    return found


async def built(world: World, client: httpx.AsyncClient, **fields: Any) -> str:
    """Build an image up to its start-test; return the job."""
    build = await begun(client, world, **fields)
    build.tell("build", {"log": "#1 hello\n"})
    build.tell("push", {"result": result(world, build)})
    return job_of(build)


def admin_of(world: World) -> httpx.AsyncClient:
    """An administrator's client."""
    return world.client(world.hub.add_user("root", ADMIN))


async def asked(world: World, client: httpx.AsyncClient) -> tuple[dict[str, Any], str]:
    """Save, and ask that it is published; return the request and the job that tries it."""
    await world.saved(client)
    path = "/images/alice/gis-course/publication-requests"
    request = (await client.post(path, json={})).json()
    return request, str(request["start_test"])
