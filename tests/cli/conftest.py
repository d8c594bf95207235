"""The command `desktops` against the fake hub service, and against the real application.

- `fake`: a fake hub service that runs
- `desk`: runs the command in a session of it, or from a machine that names the hub
- `world`: the real hub_service; `real_desk(world, token)` runs the command in its session
"""

import asyncio
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from desktops_cli.__main__ import run
from desktops_cli.running import Streams
from tests.fakes.hub_service import TOKEN, FakeHubService
from tests.service.conftest import World, neighbours, world

__all__ = ["neighbours", "world"]


@dataclass(frozen=True)
class Result:
    """How the command ended."""

    code: int
    output: str
    errors: str

    @property
    def document(self) -> dict[str, Any]:
        """The output of `--json`."""
        return dict(json.loads(self.output))


@dataclass
class Desk:
    """Runs the command with an environment; no token may ever come out of it."""

    environ: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *arguments: str,
        typed: str | None = None,
        width: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Result:
        output, errors = io.StringIO(), io.StringIO()
        streams = Streams(
            io.StringIO(typed or ""), output, errors, width, width, typed is not None
        )
        given = {**self.environ, **(environ or {})}
        code = run(arguments, given, streams)
        result = Result(code, output.getvalue(), errors.getvalue())
        for name, value in given.items():
            if name.endswith("_TOKEN") and value:
                assert value not in result.output + result.errors
        return result

    async def later(self, *arguments: str, **given: Any) -> Result:
        """Run it beside a service that lives in this thread."""
        return await asyncio.to_thread(lambda: self(*arguments, **given))


def session_of(api: str, token: str, user: str = "alice") -> Desk:
    """Return the command in a session."""
    return Desk(
        {
            "DESKTOPS_API_URL": api,
            "JUPYTERHUB_API_TOKEN": token,
            "JUPYTERHUB_USER": user,
            "JUPYTERHUB_SERVER_NAME": "",
        }
    )


def real_desk(world: World, token: str, user: str = "alice") -> Desk:
    """Return the command in a session of the real service."""
    return session_of(f"{world.url}/services/desktops/api/v1", token, user)


@pytest.fixture(scope="module")
def service() -> Iterator[FakeHubService]:
    """One server for the tests of a file."""
    with FakeHubService().running() as fake:
        yield fake


@pytest.fixture
def fake(service: FakeHubService) -> FakeHubService:
    """The server, with nothing in it."""
    service.reset()
    service.play_seconds = 0.3
    return service


@pytest.fixture
def desk(fake: FakeHubService) -> Desk:
    """The command in a session."""
    return session_of(fake.url, TOKEN)


@pytest.fixture
def laptop(fake: FakeHubService) -> Desk:
    """The command on a machine of its own."""
    hub = fake.url.removesuffix("services/desktops/api/v1")
    return Desk({"DESKTOPS_HUB": hub, "DESKTOPS_TOKEN": TOKEN, "HOME": "/nowhere"})
