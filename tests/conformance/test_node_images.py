"""Asking a node for its images, on the fake CRI and on the real cluster's containerd."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.image import pause_image_name
from devcluster.settings import Settings
from snapshot_agent.capture.containerd import ContainerdError
from snapshot_agent.capture.images import NodeImages
from tests.fakes.cri import FakeCri

pytestmark = pytest.mark.cluster


@dataclass
class Place:
    """A node, and the name of an image that it has."""

    images: NodeImages
    here: str


def fake_place(stack: ExitStack) -> Place:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    socket, cri = str(Path(folder) / "cri.sock"), FakeCri()
    cri.here["example.org/here:1"] = 100
    stack.enter_context(cri.running(socket))
    return Place(NodeImages(socket), "example.org/here:1")


def real_place(stack: ExitStack) -> Place:
    settings = Settings.from_environment({})
    socket = Path(settings.containerd_socket)
    if not socket.exists():
        pytest.skip("needs the real cluster: run make test, which brings it up")
    pause = pause_image_name((settings.bin / "pause").read_bytes())
    return Place(NodeImages(str(socket)), pause)


@pytest.fixture(params=["fake", "real"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        place = (fake_place if request.param == "fake" else real_place)(stack)
        stack.callback(place.images.close)
        yield place


def test_an_image_that_is_here_has_a_size(place: Place) -> None:
    size = place.images.size(place.here)
    assert size and size > 0


def test_one_that_is_not_here_has_none(place: Place) -> None:
    assert place.images.size(f"example.org/{uuid.uuid4().hex}:1") is None


def test_one_that_cannot_be_had_is_an_error(place: Place) -> None:
    nobody = f"127.0.0.1:9/{uuid.uuid4().hex}@sha256:{'a' * 64}"
    with pytest.raises(ContainerdError):
        place.images.pull(nobody, None)
    assert place.images.size(nobody) is None
