"""A registry that misbehaves during a save, one way at a time: true ends, nothing left, a retry."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.registry import FakeRegistry, Moods
from tests.images import Image

from .agents import Agent, running_agent
from .nodes import Node, fake_node
from .overlays import can_mount

pytestmark = [
    pytest.mark.containerd,
    pytest.mark.skipif(
        not can_mount(), reason="overlay mounts need root with CAP_SYS_ADMIN"
    ),
]


@pytest.fixture
def node(image: Image, tmp_path: Path) -> Iterator[Node]:
    """Which containerd it is plays no part here."""
    (tmp_path / "node").mkdir()
    with fake_node(tmp_path / "node", image) as made:
        yield made


@pytest.fixture
def moody() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        yield server


@asynccontextmanager
async def agent_of(
    node: Node, registry: FakeRegistry, folder: Path
) -> AsyncIterator[Agent]:
    """An agent that knows the registry's password."""
    secret = folder / "auth.json"
    login = {"username": registry.username, "password": registry.password}
    secret.write_text(json.dumps({"auths": {registry.host: login}}))
    async with running_agent(
        node, registry.url, folder / "agent", registry_auth_file=str(secret)
    ) as agent:
        yield agent


def fails(*statuses: int) -> Callable[[Moods], None]:
    def set_mood(moods: Moods) -> None:
        moods.fail = list(statuses)

    return set_mood


def token_runs_out(moods: Moods) -> None:
    moods.auth, moods.expire_tokens = "bearer", True


def loses_answers(moods: Moods) -> None:
    moods.lose_answers = 2


def is_slow(moods: Moods) -> None:
    moods.slow = 0.05


def says_another_digest(moods: Moods) -> None:
    moods.wrong_digests = 1


def redirects_elsewhere(moods: Moods) -> None:
    moods.location = "foreign"


def says_always_another_digest(moods: Moods) -> None:
    moods.wrong_digests = 1000


def is_in_maintenance(moods: Moods) -> None:
    moods.read_only = True


PASSES = [
    fails(500),
    fails(503, 502),
    # Damaged on the way: the registry has computed another digest.
    fails(400),
    token_runs_out,
    loses_answers,
    is_slow,
    says_another_digest,
]
ENDS = [
    (fails(*[500] * 1000), "registry_unavailable"),
    (fails(*[413] * 1000), "registry_refused"),
    (redirects_elsewhere, "registry_refused"),
    (says_always_another_digest, "registry_refused"),
    (is_in_maintenance, "registry_refused"),
]


@pytest.mark.parametrize("mood", PASSES)
async def test_what_passes_does_not_end_a_save(
    node: Node, moody: FakeRegistry, tmp_path: Path, mood: Callable[[Moods], None]
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(3_000_000))
    async with agent_of(node, moody, tmp_path) as agent:
        mood(moody.moods)
        status = await agent.save()
        assert status["state"] == "succeeded", status
        assert agent.clean() and not moody.uploads
    node.check_alive()


@pytest.mark.parametrize(("mood", "code"), ENDS)
async def test_what_lasts_ends_it_truly(
    node: Node,
    moody: FakeRegistry,
    tmp_path: Path,
    mood: Callable[[Moods], None],
    code: str,
) -> None:
    (node.merged / "opt/big").write_bytes(os.urandom(3_000_000))
    # Where it leads to: nobody may hear the password there, nor get a layer.
    with FakeRegistry() as elsewhere:
        moody.moods.foreign_host = elsewhere.host
        async with agent_of(node, moody, tmp_path) as agent:
            mood(moody.moods)
            status = await agent.save()
            assert (status["state"], status["error"]["code"]) == ("failed", code)
            assert "unharmed" in status["error"]["message"]
            assert agent.clean()
            assert not moody.tags.get("desktops/alice/gis-course")
            node.check_alive()
            moody.moods = Moods()
            assert (await agent.save())["state"] == "succeeded"
            assert agent.clean()
        assert elsewhere.requests == []
