"""What hub_service asks JupyterHub, on the fake hub of its tests and on a real JupyterHub with the
roles that our hub gives it: so they are enough."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.tests.utils import add_user, api_request
from traitlets.config import Config

from desktop_spawner.hub_config import configure
from hub_service.clients.hub import HubClient
from hub_service.errors import Unavailable
from hub_service.models import Server
from tests.fakes.hub import FakeHub

TOKEN = "the-services-own-token"
TOKENS = {
    "DESKTOPS_SERVICE_TOKEN": TOKEN,
    "DESKTOPS_SPAWNER_TOKEN": "another-token",
    "CONFIGPROXY_AUTH_TOKEN": "the-proxys-token",
}
NAME = "zoë o'neil"


@dataclass
class Hub:
    """A hub with one person in the group `course`, whose default server runs."""

    client: HubClient
    last_activity: Callable[[], datetime | None]


async def fake_hub(stack: AsyncExitStack, http: httpx.AsyncClient) -> Hub:
    fake = FakeHub()
    fake.add_user(NAME, groups=("course",))
    fake.add_server(NAME, user_options={"profile": "base"})
    url = await stack.enter_async_context(fake.running())

    def last_activity() -> datetime | None:
        if not fake.active:
            return None
        _, body = fake.active[-1]
        return datetime.fromisoformat(body["servers"][""]["last_activity"])

    return Hub(HubClient(http, url, TOKEN), last_activity)


async def real_hub(
    hub_app: Callable[..., Awaitable[Any]],
    stack: AsyncExitStack,
    http: httpx.AsyncClient,
) -> Hub:
    if shutil.which("configurable-http-proxy") is None:
        pytest.skip("needs JupyterHub's proxy: npm install -g configurable-http-proxy")
    config = Config()
    configure(config, {}, cull_hours=0, environ=TOKENS)
    # No server of ours runs behind this hub, and it is not asked for one.
    config.JupyterHub.services = [{"name": "desktops", "api_token": TOKEN}]
    roles = config.JupyterHub.load_roles
    config.JupyterHub.load_roles = [
        one for one in roles if one["name"] == "desktops-service"
    ]
    config.JupyterHub.load_groups = {"course": {"users": [NAME]}}
    app = await hub_app(config=config)
    stack.push_async_callback(_end, app)
    user = add_user(app.db, app, name=NAME)
    body = '{"profile": "base"}'
    reply = await api_request(app, "users", NAME, "server", method="post", data=body)
    reply.raise_for_status()
    while not user.spawner.ready:
        await asyncio.sleep(0.05)
    url = f"http://127.0.0.1:{app.hub.port}{app.hub.base_url}api"
    return Hub(
        HubClient(http, url, TOKEN),
        lambda: user.spawner.orm_spawner.last_activity.replace(tzinfo=UTC),
    )


async def _end(app: Any) -> None:
    user = app.users[NAME]
    if user.running:
        await user.stop()
    await JupyterHubHTTPClient.loop_instance().close()


@pytest.fixture(params=["fake", "real"])
async def hub(
    request: pytest.FixtureRequest, hub_app: Callable[..., Awaitable[Any]]
) -> AsyncIterator[Hub]:
    async with AsyncExitStack() as stack:
        # JupyterHub answers the stop of a server when it has stopped, or after ten seconds.
        slow = httpx.AsyncClient(trust_env=False, timeout=30)
        http = await stack.enter_async_context(slow)
        if request.param == "fake":
            yield await fake_hub(stack, http)
        else:
            yield await real_hub(hub_app, stack, http)


async def test_a_person_and_their_groups(hub: Hub) -> None:
    person = await hub.client.person(NAME)
    assert person is not None
    assert (person.name, person.groups) == (NAME, frozenset({"course"}))
    assert await hub.client.person("nobody") is None


async def test_the_running_servers(hub: Hub) -> None:
    [server] = await hub.client.servers(NAME)
    assert server.server == Server(NAME, "")
    assert server.ready
    assert server.started is not None
    assert datetime.now(UTC) - server.started < timedelta(days=3650)
    assert server.url.startswith("/")
    assert server.options == {"profile": "base"}
    assert await hub.client.servers("nobody") == []


async def test_a_stopped_server_is_no_more(hub: Hub) -> None:
    await hub.client.stop(Server(NAME, ""))
    assert not any(one.ready for one in await hub.client.servers(NAME))
    # Once more is no error: it is stopped.
    await hub.client.stop(Server(NAME, ""))


async def test_activity_is_taken(hub: Hub) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    await hub.client.keep_alive(Server(NAME, ""))
    noted = hub.last_activity()
    assert noted is not None
    assert noted >= before


async def test_a_hub_that_is_away() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        client = HubClient(http, "http://127.0.0.1:9/hub/api", TOKEN)
        with pytest.raises(Unavailable):
            await client.person(NAME)
