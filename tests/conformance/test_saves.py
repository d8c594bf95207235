"""Whole saves, on a fake and on a real containerd, into a fake and into a real registry."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from oci.client import RegistryClient
from oci.manifest import OCI_LAYER_ZSTD
from oci.reference import Digest
from snapshot_agent.capture.containerd import TaskState
from tests.images import Image, push_image
from tests.trees import Node as TreeNode
from tests.trees import apply, differences, snapshot

from .agents import Agent, running_agent
from .nodes import TOKEN, Node, run
from .overlays import can_mount
from .registries import RegistryServer
from .test_overlay import (
    attributes,
    deletions,
    hard_links,
    names,
    sparse,
    special_files,
)
from .unpackers import pulled

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]

REPOSITORY = "desktops/alice/gis-course"


async def rebuilt(client: RegistryClient, result: dict[str, Any], folder: Path) -> Path:
    """What the image in the registry unpacks to, by our own reading of the specification."""
    manifest = await client.get_manifest(REPOSITORY, result["digest"])
    assert manifest is not None
    target = folder / "rebuilt"
    target.mkdir(parents=True)
    for number, layer in enumerate(manifest.json()["layers"]):
        data = await client.get_blob(REPOSITORY, Digest(layer["digest"]), 1 << 30)
        path = folder / f"{number}.layer"
        path.write_bytes(data)
        if layer["mediaType"] == OCI_LAYER_ZSTD:
            run(
                [
                    "zstd",
                    "-q",
                    "-d",
                    "--rm",
                    "-o",
                    str(folder / f"{number}.tar"),
                    str(path),
                ]
            )
            path = folder / f"{number}.tar"
        apply(path, target)
    return target


# Written by the runtime or left out on purpose: not part of what is compared.
SKIPPED = frozenset({"proc", "sys", "dev", "run", "tmp", "etc/hosts"})


def check(there: dict[str, TreeNode], got: Path) -> None:
    told = differences(there, snapshot(got, SKIPPED))
    assert not told, "\n".join(told)


async def test_a_saved_desktop_is_the_one_that_was_there(
    node: Node,
    agent: Agent,
    registry: RegistryServer,
    client: RegistryClient,
    tmp_path: Path,
) -> None:
    for mutate in (hard_links, attributes, names, sparse, deletions, special_files):
        mutate(node.merged)
    shutil.rmtree(node.merged / "var/opaque")
    (node.merged / "var/opaque").mkdir()
    (node.merged / "var/opaque/new").write_text("new")
    result = await agent.result()
    there = snapshot(node.merged, SKIPPED)
    node.check_alive()
    check(there, await rebuilt(client, result, tmp_path / "mine"))
    if node.fake is None:
        reference = f"{registry.host}/{REPOSITORY}:v1"
        check(there, pulled(node, reference, tmp_path / "pulled"))
    assert result["changed_while_saved"] == []
    assert result["seconds"]["freeze"] < 2
    assert list(agent.spool.iterdir()) == []
    assert list(agent.state.iterdir()) == []


async def test_what_the_image_says(
    node: Node, agent: Agent, client: RegistryClient
) -> None:
    (node.merged / "opt/new").write_text("new")
    result = await agent.result()
    manifest = await client.get_manifest(REPOSITORY, "v1")
    assert manifest is not None and manifest.digest == result["digest"]
    content = manifest.json()
    data = await client.get_blob(
        REPOSITORY, Digest(content["config"]["digest"]), 1 << 20
    )
    config = json.loads(data)
    assert TOKEN.encode() not in data + manifest.data
    assert config["config"]["Healthcheck"] == {"Test": ["NONE"]}
    assert config["config"]["Env"] == ["PATH=/bin", "LANG=C.UTF-8"]
    assert config["history"][-1]["created_by"] == "jupyterhub-desktops save"
    assert (
        len(config["rootfs"]["diff_ids"])
        == len(content["layers"])
        == result["layers"]
        == 3
    )
    assert content["annotations"]["org.opencontainers.image.title"] == "GIS course"
    assert (
        content["annotations"]["org.opencontainers.image.base.digest"]
        == result["base"]["digest"]
    )
    assert result["origin"] == result["base"]
    assert result["reference"] == f"localhost:30500/{REPOSITORY}:v1@{result['digest']}"
    size = (
        len(data) + len(manifest.data) + sum(one["size"] for one in content["layers"])
    )
    assert result["size"] == size


async def test_secrets_and_litter_stay_out(
    node: Node, agent: Agent, client: RegistryClient, tmp_path: Path
) -> None:
    home = node.merged / "home/jovyan"
    (home / ".ssh").mkdir()
    (home / ".ssh/id_rsa").write_text("PRIVATE")
    (home / "notes.txt").write_text(f"my token is {TOKEN}, keep it")
    (home / "big.bin").write_bytes(b"x" * 1_500_000 + TOKEN.encode() + b"y" * 100)
    (home / "url.txt").write_text("http://hub:8081/hub/api")
    (node.merged / "tmp/litter").write_text("litter")
    preview = (
        await agent.http.post(
            "/v1/preview",
            json={"pod_uid": node.pod_uid, "container": "notebook", "owner": "alice"},
        )
    ).json()
    assert {"path": "/home/jovyan/.ssh", "reason": "secret", "bytes": 4096} in preview[
        "left_out"
    ] or any(one["path"] == "/home/jovyan/.ssh" for one in preview["left_out"])
    result = await agent.result()
    got = await rebuilt(client, result, tmp_path / "mine")
    assert sorted(os.listdir(got / "home/jovyan")) == [".bashrc", "url.txt"]
    assert os.listdir(got / "tmp") == []
    left_out = {(one["path"], one["reason"]) for one in result["left_out"]}
    assert {
        ("/home/jovyan/.ssh", "secret"),
        ("/home/jovyan/notes.txt", "secret"),
        ("/home/jovyan/big.bin", "secret"),
        ("/tmp/litter", "runtime"),
    } <= left_out


async def test_nothing_changed_adds_no_layer(
    node: Node, agent: Agent, client: RegistryClient
) -> None:
    result = await agent.result(exclude=["/etc", "/dev", "/run", "/sys", "/proc"])
    manifest = await client.get_manifest(REPOSITORY, "v1")
    assert manifest is not None
    assert result["layers"] == len(manifest.json()["layers"]) == 2
    assert (result["new_bytes"], result["new_layers"]) == (0, {})


async def test_the_same_id_is_the_same_save(node: Node, agent: Agent) -> None:
    body = agent.request()
    one, two = await asyncio.gather(
        *(agent.http.post("/v1/commits", json=body) for _ in "ab")
    )
    assert one.status_code == two.status_code == 202
    status = await agent.wait(body["id"])
    assert status["state"] == "succeeded"
    again = await agent.http.post("/v1/commits", json=body)
    assert again.json()["result"]["digest"] == status["result"]["digest"]


async def test_missing_base_blobs_come_from_their_source(
    node: Node,
    agent: Agent,
    image: Image,
    client: RegistryClient,
    http: httpx.AsyncClient,
) -> None:
    """The base is in the same registry: nothing is on the node, nothing moves."""
    await push_image(client, image, "desktops/mirror__bases", "base")
    node.forget_layers(image)
    (node.merged / "opt/new").write_text("new")
    assert (await agent.result())["layers"] == 3


async def test_missing_base_blobs_that_are_nowhere(
    node: Node, agent: Agent, image: Image
) -> None:
    node.forget_layers(image)
    (node.merged / "opt/new").write_text("new")
    status = await agent.save()
    assert status["state"] == "failed"
    assert status["error"]["code"] == "base_unavailable"
    node.check_alive()


async def test_a_container_that_ends_meanwhile(node: Node, agent: Agent) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(30_000_000))
    started = await agent.start()
    while (await agent.status(started["id"]))["step"] == "plan":
        await asyncio.sleep(0.001)
    node.kill()
    status = await agent.wait(started["id"])
    assert (status["state"], status["error"]["code"]) == ("failed", "container_gone")


async def test_a_desktop_that_somebody_else_has_paused_stays_paused(
    node: Node, agent: Agent
) -> None:
    (node.merged / "opt/new").write_text("new")
    node.pause()
    await agent.result()
    assert node.state() is TaskState.PAUSED
    node.resume()
    node.check_alive()


async def test_a_busy_desktop(
    node: Node, registry: RegistryServer, client: RegistryClient, tmp_path: Path
) -> None:
    """A program that rewrites files all the time: each is saved as it was at one moment."""
    if node.fake is not None:
        pytest.skip("only a real container has programs that a freeze stops")
    script = (
        "i=0; while :; do i=$((i+1)); echo $i > /opt/count; cp /opt/count /opt/copy-$((i%50));"
        " mv /opt/count /opt/last; done"
    )
    command = [*node.ctr, "tasks", "exec", "--exec-id", "busy", node.container_id]
    with subprocess.Popen([*command, "/bin/busybox", "sh", "-c", script]) as busy:
        await asyncio.sleep(0.5)
        # Time for all of it, on a slow machine too: what is taken after a thaw is of no moment.
        async with running_agent(
            node, registry.url, tmp_path / "agent", freeze_budget=5.0
        ) as agent:
            result = await agent.result()
        got = await rebuilt(client, result, tmp_path / "mine")
        subprocess.run(
            [
                *node.ctr,
                "tasks",
                "kill",
                "--exec-id",
                "busy",
                "-s",
                "KILL",
                node.container_id,
            ],
            capture_output=True,
        )
        busy.wait(10)
    counts = [
        int(path.read_text()) for path in (got / "opt").iterdir() if path.stat().st_size
    ]
    # One moment: no two files are further apart than the program's own steps.
    assert max(counts) - min(counts) <= 51
    assert result["changed_while_saved"] == []
