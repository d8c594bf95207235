"""Desktops that are saved, and started from what was saved, again and again: without a registry."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from oci.reference import Digest
from snapshot_agent.capture.capture import Capture
from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.captured import Captured
from snapshot_agent.capture.container import Desktop
from snapshot_agent.capture.containerd import Containerd
from snapshot_agent.capture.freeze import Freezer
from snapshot_agent.capture.joining import Plan
from snapshot_agent.exclusions import Rules
from snapshot_agent.room import Room
from snapshot_agent.status import Status
from snapshot_agent.tree.kept import Kept
from snapshot_agent.tree.spool import Spool
from tests.trees import apply

from .overlays import Overlay, overlay

HOME, DEFAULTS = "home/jovyan", "home_nbuser_default"


class Sessions:
    """One image, and what desktops make of it, one after the other."""

    def __init__(self, folder: Path, containerd: Containerd, container_id: str) -> None:
        """The container is one that runs; nothing else of it matters."""
        self._folder = folder
        self._containerd = containerd
        self._container_id = container_id
        self._made = 0
        self.lowers: list[Path] = []
        """What is below the next desktop, the uppermost first."""
        self.origin = 0
        """So many of these, the lowest, were never saved."""

    def folder(self, name: str) -> Path:
        self._made += 1
        made = self._folder / f"{name}{self._made}"
        made.mkdir()
        return made

    def image(self) -> Path:
        """The image that nobody has saved, with nothing in it."""
        image = self.folder("image")
        for name in (HOME, DEFAULTS, "opt"):
            (image / name).mkdir(parents=True)
        self.lowers, self.origin = [image], 1
        return image

    @contextmanager
    def desktop(self) -> Iterator[Overlay]:
        with overlay(self.folder("o"), self.lowers) as mounted:
            yield mounted

    def save(
        self,
        mounted: Overlay,
        *,
        joined: bool = False,
        rules: Rules | None = None,
        settings: CaptureSettings | None = None,
        canaries: tuple[bytes, ...] = (),
        kept: Kept | None = None,
        room: int = 0,
        apparent: int = 0,
        check: Callable[[], None] = lambda: None,
        may_join: bool = True,
    ) -> tuple[Captured, list[Path]]:
        """What a save gives, and its new layers as tar files, the lowest first.

        `apparent` bytes are in the layers that are joined. What was `kept` has joined them; if it
        is of no use, they are joined anew where that `may_join`.
        """
        spool = Spool(Room(self.folder("s"), room), "save")
        spool.make()
        depth = len(self.lowers)
        layers = depth - self.origin if joined else 0
        plan = Plan(depth, layers, apparent=apparent)
        capture = Capture(
            self._desktop(mounted),
            rules or home_rules(),
            containerd=self._containerd,
            freezer=Freezer(self._containerd, self._folder),
            settings=replace(settings or CaptureSettings(), freeze=False),
            canaries=canaries,
            expected=0,
            check=check,
            plan=plan,
            decide=lambda: plan if may_join else plan.without(),
            kept=kept,
        )
        captured = capture.run(spool, Status("save"))
        return captured, [_plain(blob.path) for blob in captured.blobs]

    def start_from(self, layers: list[Path]) -> None:
        """The next desktop stands on these layers, too."""
        for layer in layers:
            target = self.folder("l")
            apply(layer, target, kernel=True)
            self.lowers.insert(0, target)

    def _desktop(self, mounted: Overlay) -> Desktop:
        return Desktop(
            container_id=self._container_id,
            upper=str(mounted.upper),
            lowers=tuple(str(path) for path in self.lowers),
            parent="",
            image="",
            config_digest=Digest("sha256:" + "0" * 64),
            home=f"/{HOME}",
            mounts=(),
            env=(),
        )


@contextmanager
def saved(sessions: Sessions) -> Iterator[Overlay]:
    """A session, from which the next one is started."""
    with sessions.desktop() as mounted:
        yield mounted
        captured, layers = sessions.save(mounted)
        captured.kept.close()
    sessions.start_from(layers)


def home_rules(
    asked: tuple[str, ...] = (),
    include_home: bool = True,
    mounts: tuple[str, ...] = (),
) -> Rules:
    return Rules(home=f"/{HOME}", mounts=mounts, asked=asked, include_home=include_home)


def _plain(blob: Path) -> Path:
    tar = blob.with_suffix("")
    subprocess.run(["zstd", "-q", "-d", "-f", "-o", tar, blob], check=True)
    return tar
