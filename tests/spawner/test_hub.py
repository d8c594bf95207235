"""The spawner in a real hub: found by its short name, its form on the spawn page."""

import re
import shutil
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.tests.utils import get_page
from traitlets.config import Config

from desktop_i18n import translator
from desktop_spawner.hub_config import configure
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


async def test_the_hubs_pages_have_the_bar_of_the_services(
    hub_app: HubApp, catalogue: FakeCatalogue
) -> None:
    config = Config()
    tokens = ("DESKTOPS_SERVICE", "DESKTOPS_SPAWNER", "CONFIGPROXY_AUTH")
    environ = {f"{name}_TOKEN": f"{name.lower()}-of-16-letters" for name in tokens}
    configure(config, CONFIG, cull_hours=0, environ=environ)
    wanted = ("services", "load_roles", "custom_scopes", "template_paths")
    hub = {name: config.JupyterHub[name] for name in (*wanted, "template_vars")}
    app = await hub_app(
        config={**CONFIG, "JupyterHub": {**hub, "spawner_class": "desktops"}}
    )
    page = await spawn_page(app, await app.login_user("alice"))
    links = re.findall(r'nav-link" href="([^"]+)"><span data-fr="(.*?)">(.*?)<', page)
    file = Path("hub_service/templates/page.html").read_text()
    words = re.findall(r'class="nav-link.*?{{ _\("(.*?)"\) }}', file)
    assert words.pop() == "Administration"
    french = translator("hub_service", "fr")
    assert [link[1:] for link in links] == [(french(one), one) for one in words]
    paths = [
        "hub/home",
        "hub/spawn",
        "services/desktops/",
        "services/desktops/desktops",
    ]
    assert [link[0] for link in links] == [app.base_url + path for path in paths]
    await app.users["alice"].spawner.api.api_client.close()
    await JupyterHubHTTPClient.loop_instance().close()


async def test_a_link_to_what_is_not_offered_is_answered_in_words(
    hub_app: HubApp, catalogue: FakeCatalogue
) -> None:
    config = {**CONFIG, "JupyterHub": {"spawner_class": "desktops"}}
    app = await hub_app(config=config)
    cookies = await app.login_user("alice")
    for language, words in (("en", "not shared with you"), ("fr", "pas partagé")):
        reply = await get_page(
            "spawn?profile=bob/secret",
            app,
            cookies=cookies,
            headers={"Accept-Language": language},
        )
        assert reply.status_code == 403
        text = unescape(reply.content.decode())
        assert words in text
        assert "Unhandled" not in text
    await app.users["alice"].spawner.api.api_client.close()
    await JupyterHubHTTPClient.loop_instance().close()


async def spawn_page(app: Any, cookies: Any) -> str:
    reply = await get_page("spawn", app, cookies=cookies)
    assert reply.status_code == 200, reply.text
    return str(reply.content.decode())
