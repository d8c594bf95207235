"""What the agent refuses before it touches anything, and what it tells before a save."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from snapshot_agent.tree.frame import MOST_NAMES
from tests.images import Image

from .agents import Agent, client, running_agent
from .nodes import Node, labels
from .overlays import can_mount
from .registries import RegistryServer

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture(params=["fake"])
def node(request: pytest.FixtureRequest, image: Image, tmp_path: Path) -> Any:
    """Refusals are about what containerd says: the fake can be made to say it."""
    from .nodes import fake_node

    (tmp_path / "node").mkdir()
    with fake_node(tmp_path / "node", image) as made:
        yield made


@pytest.fixture
def registry(tmp_path: Path) -> Any:
    from .registries import fake_registry

    with fake_registry() as server:
        yield server


async def refusal(agent: Agent, **changes: Any) -> tuple[int, str, dict[str, Any]]:
    answer = await agent.http.post("/v1/commits", json=agent.request(**changes))
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["details"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"pod_uid": "other"}, 404, "pod_not_found"),
        ({"owner": "bob"}, 403, "forbidden"),
        ({"container": "sidecar"}, 422, "server_not_running"),
        ({"image": "../../etc"}, 400, "bad_request"),
        ({"number": -1}, 400, "bad_request"),
    ],
)
async def test_wrong_requests(
    agent: Agent, node: Node, change: dict[str, Any], status: int, code: str
) -> None:
    assert (await refusal(agent, **change))[:2] == (status, code)
    assert node.fake is not None and node.fake.calls == []


async def test_nobody_without_a_token(agent: Agent) -> None:
    port = agent.http.base_url.port
    assert port is not None
    for path in ("/v1/commits/x", "/v1/preview", "/v1/commits"):
        async with client(port, "wrong") as http:
            method = "GET" if path.endswith("x") else "POST"
            answer = await http.request(method, path, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                401,
                "forbidden",
            )
    async with client(port, "wrong") as http:
        assert (await http.get("/healthz")).json()["status"] == "ok"
        assert b"desktops_agent_active_saves" in (await http.get("/metrics")).content
        assert (await http.get("/other")).status_code == 404


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("runtime", "io.containerd.runsc.v1", "runtime"),
        ("active", False, "snapshotter"),
        (
            "snapshot_labels",
            {"containerd.io/snapshot/uidmapping": "0:1:1"},
            "user_namespace",
        ),
        ("mounts", [("bind", "/x", ["rw"])], "snapshotter"),
        (
            "mounts",
            [("overlay", "o", ["upperdir=/etc", "lowerdir=/usr"])],
            "snapshotter",
        ),
        ("labels", labels("another"), "identity"),
    ],
)
async def test_containers_that_cannot_be_saved_exactly(
    agent: Agent, node: Node, attribute: str, value: object, why: str
) -> None:
    assert node.fake is not None
    setattr(node.fake.containers[node.container_id], attribute, value)
    status, code, details = await refusal(agent)
    assert (status, code, details["why"]) == (422, "unsupported_container", why)
    assert node.fake.calls == []


async def test_a_base_that_is_not_the_one_below(agent: Agent, node: Node) -> None:
    assert node.fake is not None
    node.fake.containers[node.container_id].parent = "sha256:" + "0" * 64
    status = await agent.save()
    assert (status["state"], status["error"]["code"]) == ("failed", "base_unknown")
    assert node.fake.calls == []


async def test_a_redirected_directory_is_refused(agent: Agent, node: Node) -> None:
    upper = node.merged.parent / "upper"
    (node.merged / "opt/moved").mkdir()
    os.setxattr(upper / "opt/moved", "trusted.overlay.redirect", b"/elsewhere")
    status = await agent.save()
    assert status["error"]["code"] == "unsupported_container"
    assert node.fake is not None and node.fake.calls == []


async def test_a_preview_tells_what_a_save_would_take(agent: Agent, node: Node) -> None:
    home = node.merged / "home/jovyan"
    (home / "data.bin").write_bytes(b"x" * 100_000)
    (home / ".ssh").mkdir()
    (home / ".ssh/id").write_bytes(b"k" * 5000)
    (home / "Downloads").mkdir()
    (home / "Downloads/big").write_bytes(b"x" * 50_000)
    (node.merged / "usr/lib/py").mkdir()
    (node.merged / "usr/lib/py/shapely-2.0.dist-info").mkdir()
    dpkg = node.merged / "var/lib/dpkg/status"
    installed = "Package: qgis\nStatus: install ok installed\nVersion: 3.40\n\n"
    dpkg.write_text(dpkg.read_text() + installed)
    body = agent.request(exclude=["/home/jovyan/Downloads"])
    answer = (await agent.http.post("/v1/preview", json=body)).json()
    assert answer["packages"]["added"] == [
        {"name": "qgis", "version": "3.40", "kind": "apt"},
        {"name": "shapely", "version": "2.0", "kind": "pip"},
    ]
    assert answer["home"]["path"] == "/home/jovyan"
    assert answer["home"]["bytes"] >= 100_000 and not answer["home"]["on_volume"]
    assert answer["biggest"][0] == {"path": "/home/jovyan/data.bin", "bytes": 100_000}
    left_out = {
        (one["path"], one["reason"]): one["bytes"] for one in answer["left_out"]
    }
    assert left_out["/home/jovyan/.ssh", "secret"] == 5000
    assert left_out["/home/jovyan/Downloads", "asked"] == 50_000
    assert node.fake is not None and node.fake.calls == []


async def test_a_home_on_a_volume_is_told_and_not_taken(
    agent: Agent, node: Node
) -> None:
    assert node.fake is not None
    container = node.fake.containers[node.container_id]
    container.spec["mounts"].append({"destination": "/home/jovyan"})
    (node.merged / "home/jovyan/stub").write_text("of the runtime")
    answer = (await agent.http.post("/v1/preview", json=agent.request())).json()
    assert answer["home"]["on_volume"] is True
    assert answer["volumes"] == ["/home/jovyan"]
    assert {"path": "/home/jovyan", "reason": "mount", "bytes": 0} in answer["left_out"]


async def test_one_node_does_so_many_saves_at_once(agent: Agent, node: Node) -> None:
    import asyncio

    for number in range(3):
        agent.add_pod(node, f"other-{number}")
    (node.merged / "opt/big").write_bytes(bytes(300_000_000))
    answers = [
        await agent.http.post(
            "/v1/commits", json=agent.request(pod_uid=f"other-{number}")
        )
        for number in range(3)
    ]
    codes = [answer.status_code for answer in answers]
    assert codes == [202, 202, 429]
    assert answers[2].json()["error"]["code"] == "too_many_saves"
    ends = [agent.wait(answer.json()["id"]) for answer in answers[:2]]
    assert {one["state"] for one in await asyncio.gather(*ends)} == {"succeeded"}


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        ({"most_entries": 20}, "files and folders"),
        ({"most_bytes": 90_000}, "bytes"),
    ],
)
async def test_more_than_one_save_may_hold_is_refused(
    node: Node,
    registry: RegistryServer,
    tmp_path: Path,
    limits: dict[str, int],
    what: str,
) -> None:
    folder = node.merged / "opt/many"
    folder.mkdir()
    for number in range(25):
        (folder / str(number)).write_bytes(b"x" * 4096)
    async with running_agent(
        node, registry.url, tmp_path / "limited", **limits
    ) as agent:
        status = await agent.save()
        assert (status["step"], status["error"]["code"]) == ("plan", "too_much")
        assert what in status["error"]["message"]
        assert "unharmed" in status["error"]["message"]
        assert agent.clean()
        # What a person leaves out does not count.
        result = await agent.result(number=2, exclude=["/opt/many"])
        assert result["entries"] < 20
    assert (
        node.fake is not None
        and node.fake.calls.count(("pause", node.container_id)) == 1
    )


async def test_a_folder_with_too_many_names_is_named(agent: Agent, node: Node) -> None:
    folder = node.merged / "opt/many"
    folder.mkdir()
    for number in range(MOST_NAMES + 1):
        # Few inodes have room for so many names.
        if not number % 60_000:
            first = folder / f"{number}"
            first.touch()
        else:
            os.link(first, folder / f"{number}")
    for path in ("/v1/preview", "/v1/commits"):
        answer = (await agent.http.post(path, json=agent.request())).json()
        if "id" in answer:
            answer = await agent.wait(answer["id"])
        assert answer["error"]["code"] == "too_much"
        assert "/opt/many" in answer["error"]["message"]
    assert node.fake is not None and node.fake.calls == []
