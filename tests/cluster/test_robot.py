"""A pipeline's robot publishes an image that was pushed, and it is on the spawn page."""

import io
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from desktops_cli.__main__ import run
from desktops_cli.running import Streams
from devcluster.settings import REGISTRY
from tests.cluster.conftest import HUB, Demo, Visit
from tests.cluster.test_builds import Builder
from tests.cluster.test_start_test import act
from tests.cluster.upgraded import built_image, upgraded

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

NAME = f"robot-{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="module")
def token(cluster: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The token of the robot, on a hub that takes what is in the demo's registry."""
    values = {"publishing": {"registries": [REGISTRY]}}
    with upgraded(cluster, values, tmp_path_factory.mktemp("values")):
        yield cluster.secret("desktops-tokens", "robot-token")


def desktops(token: str, *arguments: str) -> tuple[int, str]:
    """Run the command with the robot's token; return its code and what it said."""
    output, errors = io.StringIO(), io.StringIO()
    streams = Streams(io.StringIO(), output, errors)
    environment = {"DESKTOPS_HUB": f"{HUB}/", "DESKTOPS_TOKEN": token}
    code = run(arguments, environment, streams)
    return code, output.getvalue() + errors.getvalue()


def test_what_was_pushed_is_on_the_spawn_page(
    token: str, cluster: Demo, visit: Visit
) -> None:
    reference = built_image("base")
    admin = Builder(visit("admin"), "admin")
    image = f"hub/{NAME}"
    try:
        code, said = desktops(
            token, "publish", image, "--image", reference, "--title", NAME
        )
        assert code == 0, said
        assert f"Everybody can start version 1 of {image} now." in said
        page = visit(f"student-{uuid.uuid4().hex[:6]}")
        page.goto("/hub/spawn")
        expect(page.locator(".desktops-card", has_text=NAME)).to_be_visible()
        # The token publishes; it reads nothing and changes nothing else.
        assert desktops(token, "images")[0] == 3
        assert desktops(token, "publish", image, "--image", "example.org/a:1")[0] == 3
    finally:
        act(admin, "patch", f"images/{image}", data={"visibility": "private"})
        act(admin, "delete", f"images/{image}")
