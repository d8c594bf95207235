"""Real overlay mounts made by a test: what a container's filesystem is, without a container."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from snapshot_agent.exclusions import Rules
from snapshot_agent.room import Room
from snapshot_agent.tree.changes import Change, Kind, Walker
from snapshot_agent.tree.cover import Cover
from snapshot_agent.tree.index import Index
from snapshot_agent.tree.joined import Gone, JoinedLayers
from snapshot_agent.tree.layer import TarWriter
from snapshot_agent.tree.lower import ImageView
from snapshot_agent.tree.spool import RawFile, Spool
from tests.trees import apply, copy


@dataclass
class Overlay:
    """Lower layers (topmost first), the upper one, and the two together."""

    base: Path
    lowers: list[Path]

    @property
    def upper(self) -> Path:
        return self.base / "upper"

    @property
    def merged(self) -> Path:
        return self.base / "merged"


def can_mount() -> bool:
    """True when this process may mount, and read what the overlay notes."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff"))
    return bool(int(effective.split()[1], 16) >> 21 & 1)


@contextmanager
def overlay(base: Path, lowers: list[Path]) -> Iterator[Overlay]:
    """Mount `lowers` and a new upper directory; unmount at the end."""
    made = Overlay(base, lowers)
    for name in ("upper", "work", "merged"):
        (base / name).mkdir(parents=True)
    options = f"index=off,lowerdir={':'.join(map(str, lowers))},upperdir={made.upper}"
    options += f",workdir={base / 'work'}"
    command = ["mount", "-t", "overlay", "overlay", "-o", options, str(made.merged)]
    subprocess.run(command, check=True)
    try:
        yield made
    finally:
        subprocess.run(["umount", str(made.merged)], check=True)


class Saver:
    """Runs the two passes of a save on an overlay, without containerd and registry."""

    def __init__(
        self,
        mounted: Overlay,
        folder: Path,
        rules: Rules | None = None,
        joined: int = 0,
    ) -> None:
        """So many of the lower layers become one, which what is saved lies on."""
        self.folder = folder
        self._spool = Spool(Room(folder), "test")
        self._spool.make()
        self.rules = rules or Rules(
            home="/home/jovyan", mounts=(), asked=(), include_home=True
        )
        self.left_out: list[tuple[str, str, int]] = []
        self.lower = ImageView([str(path) for path in mounted.lowers])
        upper = str(mounted.upper)
        self.walker = Walker(upper, self.lower, self.rules, self._leave_out)
        self._mounted, self._joined, self._gone = mounted, joined, Gone()
        self._index_file = open(self._spool.path / "index", "w+b")
        self.index = Index(self._index_file)
        self.canaries: tuple[bytes, ...] = ()
        self.unsettled: list[str] = []
        self._passes = 0

    def close(self) -> None:
        self.lower.close()
        self._index_file.close()

    def _leave_out(self, path: str, reason: str, size: int) -> None:
        self.left_out.append((path, reason, size))

    def _writer(self, sink: RawFile, live: bool) -> TarWriter:
        return TarWriter(
            sink,
            canaries=self.canaries,
            denied=set(),
            leave_out=self._leave_out,
            largest_file=1 << 32,
            progress=lambda count: None,
            live=live,
        )

    def join(
        self, happens: Callable[[Change], None] = lambda change: None
    ) -> list[Path]:
        """What the lower layers become that are joined; none when none are."""
        if not self._joined:
            return []
        lowers = [str(path) for path in self._mounted.lowers]
        with (
            ImageView(lowers[self._joined :]) as below,
            closing(Cover(str(self._mounted.upper), self.lower, self.rules)) as cover,
            JoinedLayers(lowers[: self._joined], below, cover) as layers,
        ):
            written = self._write("joined.tar", layers.walk(), False, happens)
            self._gone = layers.gone
        return [written]

    def first(self, happens: Callable[[Change], None] = lambda change: None) -> Path:
        """The first pass: everything, and the index of it; `happens` after each change."""
        changes = self.walker.walk(self.index.record)
        return self._write("first.tar", changes, True, happens)

    def second(self, happens: Callable[[Change], None] = lambda change: None) -> Path:
        """The next pass: what has changed since."""
        self._passes += 1
        changes = self.index.changes(self.walker)
        return self._write(f"pass-{self._passes}.tar", changes, False, happens)

    def _of_nothing(self, change: Change) -> bool:
        deleted = change.kind is Kind.WHITEOUT and not change.known
        return deleted and change.path in self._gone

    def _write(
        self,
        name: str,
        changes: Iterator[Change],
        live: bool,
        happens: Callable[[Change], None],
    ) -> Path:
        sink = RawFile(self._spool.open(name))
        try:
            writer = self._writer(sink, live)
            for change in changes:
                if not self._of_nothing(change):
                    writer.add(change)
                happens(change)
                if not change.settled:
                    self.unsettled.append(change.path)
            writer.finish()
            self.entries = writer.entries
        finally:
            sink.close()
        return self._spool.path / name


def flatten(lowers: list[Path], base: Path) -> Path:
    """The lower layers alone, as the kernel shows them, copied."""
    target = base / "flat"
    (base / "empty").mkdir(parents=True, exist_ok=True)
    (base / "view").mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(map(str, [base / 'empty', *lowers]))}"
    command = ["mount", "-t", "overlay", "overlay", "-o", options, str(base / "view")]
    subprocess.run(command, check=True)
    try:
        copy(base / "view", target)
    finally:
        subprocess.run(["umount", str(base / "view")], check=True)
    return target


def rebuilt(lowers: list[Path], base: Path, layers: list[Path]) -> Path:
    """What somebody gets who starts from the image and puts the layers on it."""
    target = flatten(lowers, base)
    for layer in layers:
        apply(layer, target)
    return target


def set_opaque(path: Path) -> None:
    os.setxattr(path, "trusted.overlay.opaque", b"y")


@contextmanager
def touching(path: Path) -> Iterator[None]:
    """Something of the file changes all the time."""
    stop = threading.Event()

    def touch() -> None:
        while not stop.wait(0.002):
            os.utime(path)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
