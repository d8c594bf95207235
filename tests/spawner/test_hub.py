"""The spawner in a real hub: found by its short name, its form on the spawn page."""

import shutil
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient

from tests.spawner.conftest import CONFIG, FakeCatalogue

pytestmark = pytest.mark.skipif(
    shutil.which("configurable-http-proxy") is None,
    reason="needs JupyterHub's proxy: npm install -g configurable-http-proxy",
)

HubApp = Callable[..., Awaitable[Any]]


async def test_the_spawn_page_shows_the_cards(
    hub_app: HubApp, catalogue: FakeCatalogue
) -> None:
    config = {**CONFIG, "JupyterHub": {"spawner_class": "desktops"}}
    app = await hub_app(config=config)
    cookies = await app.login_user("alice")
    page = await spawn_page(app, cookies)
    assert "GIS &lt;course&gt;" in page
    assert "Remote Desktop" in page
    catalogue.down = True
    assert "as they were just now" in await spawn_page(app, cookies)
    await app.users["alice"].spawner.api.api_client.close()
    # The fixture's end leaves what only JupyterHub's own end closes.
    await JupyterHubHTTPClient.loop_instance().close()


async def spawn_page(app: Any, cookies: Any) -> str:
    from jupyterhub.tests.utils import get_page

    reply = await get_page("spawn", app, cookies=cookies)
    assert reply.status_code == 200, reply.text
    return str(reply.text)
