"""DesktopSpawner without a cluster.

- `catalogue`: a server that answers what a user may start, as hub_service does
- `spawner`: a DesktopSpawner for alice that asks that catalogue
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

# kubernetes_asyncio reads the variable when it is imported.
os.environ["KUBECONFIG"] = str(Path(__file__).with_name("kubeconfig.yaml"))

import pytest  # noqa: E402
from jupyterhub.objects import Hub  # noqa: E402
from jupyterhub.orm import Spawner as OrmSpawner  # noqa: E402
from traitlets.config import Config  # noqa: E402

from desktop_spawner import DesktopSpawner  # noqa: E402
from desktop_spawner.catalogue_client import CatalogueClient  # noqa: E402
from tests.fakes.http import JsonHandler, serving  # noqa: E402

BASE = {
    "slug": "base",
    "title": "Remote Desktop",
    "image": "example.org/base:1",
    "size": 10**9,
}
ENTRY = {
    "owner": "alice",
    "name": "gis",
    "title": "GIS <course>",
    "description": "QGIS {{ 7 * 7 }}",
    "version": 3,
    "reference": "localhost:30500/desktops/alice/gis@sha256:" + "a" * 64,
    "size": 2_200_000_000,
    "created": 0.0,
    "visibility": "private",
    "picture": "/services/desktops/picture?until=1&signature=x",
    "staged": False,
}
CONFIG = {
    "DesktopSpawner": {
        "base_images": [BASE],
        "sizes": [
            {"slug": "small", "title": "small", "cpu_limit": 1, "mem_limit": "2G"},
            {"slug": "big", "title": "big", "cpu_limit": 4, "mem_limit": "8G"},
        ],
        "session_api_url": "http://hub-service:8080/services/desktops/api/v1",
        "idle_hours": 8,
    }
}


class FakeCatalogue:
    """Entries for everybody; `down` answers with a proxy's error page.

    `staged` are the entries that are alice's to try, by what they are asked with.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = [ENTRY]
        self.staged: dict[str, dict[str, Any]] = {}
        self.down = False
        self.asked: list[tuple[str, str]] = []
        self.starts: list[dict[str, Any]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve until the end of the block; give the address of the API."""
        fake = {"fake": self}
        routes = [
            ("/profiles", ProfilesHandler, fake),
            ("/starts", StartsHandler, fake),
        ]
        async with serving(routes) as address:
            yield address


class ProfilesHandler(JsonHandler):
    """Profiles."""

    fake: FakeCatalogue

    def get(self) -> None:
        """Return the entries."""
        token = self.request.headers.get("Authorization", "")
        self.fake.asked.append((self.get_query_argument("user"), token))
        if self.fake.down:
            self.set_status(200)
            self.finish("<html>The service is restarting</html>")
            return
        wanted = self.get_query_argument("version", "")
        staged = [self.fake.staged[wanted]] if wanted in self.fake.staged else []
        self.answer(200, {"items": [*self.fake.entries, *staged], "next": None})


class StartsHandler(JsonHandler):
    """Reports of starts."""

    fake: FakeCatalogue

    def post(self) -> None:
        """Take one."""
        if self.fake.down:
            self.set_status(503)
            return
        self.fake.starts.append(self.body)
        self.answer(201, self.body)


@pytest.fixture
async def catalogue() -> AsyncIterator[FakeCatalogue]:
    """The catalogue, which `CatalogueClient` is configured for."""
    fake = FakeCatalogue()
    async with fake.running() as address:
        CatalogueClient.clear_instance()
        CatalogueClient.instance(url=address, token="spawner-token", timeout=2)
        yield fake
        CatalogueClient.clear_instance()


class Person:
    """As much of a user of JupyterHub as a spawner looks at."""

    def __init__(self, name: str) -> None:
        self.id = 1
        self.name = self.escaped_name = name
        self.url = f"/user/{name}/"
        self.server = None

    def expand_user(self, text: str) -> str:
        """Fill in the name."""
        return text.format(username=self.name)


@pytest.fixture
async def spawner(catalogue: FakeCatalogue) -> AsyncIterator[DesktopSpawner]:
    """Alice's default server."""
    spawner = DesktopSpawner(
        _mock=True,
        config=Config(CONFIG),
        user=Person("alice"),
        hub=Hub(),
        orm_spawner=OrmSpawner(name=""),
        api_token="t",
    )
    yield spawner
    await spawner.api.api_client.close()
