"""Reads a desktop into layers: all while it runs, then, while it stands still, what changed since.

All of it runs in one thread, and nothing of it knows the network.
"""

from __future__ import annotations

import gc
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from snapshot_agent.capture.capture_settings import CaptureSettings
from snapshot_agent.capture.captured import Captured
from snapshot_agent.capture.container import Desktop, check_still_there
from snapshot_agent.capture.containerd import Containerd
from snapshot_agent.capture.freeze import Freezer, Hold
from snapshot_agent.capture.ground import Ground
from snapshot_agent.capture.survey import LeftOut
from snapshot_agent.errors import SAFE, SecretFound
from snapshot_agent.exclusions import Rules, deleted_by_programs, printable, volumes
from snapshot_agent.status import Status, Step
from snapshot_agent.tree.changes import Change, Kind, Walker, size_of
from snapshot_agent.tree.home_defaults import HomeDefaults
from snapshot_agent.tree.index import Index
from snapshot_agent.tree.kept import IndexFile, Kept, KeptLayer
from snapshot_agent.tree.layer import SecretInStream, Sink, TarWriter
from snapshot_agent.tree.lower import LowerView
from snapshot_agent.tree.split import SplitLayers
from snapshot_agent.tree.spool import Blob, LayerFile, RawFile, Spool

log = logging.getLogger(__name__)

# Each one is a file of its own with a secret deep inside: so many are no accident.
_MOST_RESTARTS = 5
_MOST_NAMED = 100

# Passes while the desktop runs, as long as the rest is worth one: more than can be copied while
# it stands still, and less than the pass before has found.
_MOST_PASSES = 4
_WORTH_A_PASS = 16 << 20
# After a shorter pass little can have changed.
_SHORT_PASS = 0.5
# Of the freeze's budget, the share in which there is still something to do but to let go.
_BUDGET_SHARE = 0.6
_MOST_PARTS = 4
# To start their writing back takes time, of which the freeze has little.
_MOST_SYNCED = 16
# Looks after a freeze that had no time for all; more help only who never stops moving things.
_MOST_SETTLING = 3

_HIDES = (Kind.WHITEOUT, Kind.OPAQUE)
_NO_NEWS = (Kind.DIRECTORY, *_HIDES)


class _Anew(Exception):
    """What the layers so far have can no longer be part of the image: all has to be read."""


class Capture:
    """One reading of one desktop.

    - whatever happens, the desktop runs again when `run` returns;
    - with what was `kept` of an earlier save it takes only what has changed since, and the
      result is the same as without;
    - memory does not depend on how much is read.
    """

    def __init__(
        self,
        desktop: Desktop,
        rules: Rules,
        *,
        containerd: Containerd,
        freezer: Freezer,
        settings: CaptureSettings,
        canaries: tuple[bytes, ...],
        expected: int,
        check: Callable[[], None],
        joined: int = 0,
        kept: Kept | None = None,
        surveyed: LeftOut | None = None,
    ) -> None:
        """`expected` bytes are to be read; `check` raises Cancelled when it is to stop.

        So many of the image's uppermost layers are `joined` with what is read. `surveyed` is
        what the rules leave out of the desktop, to be told with `kept`, which this object closes
        or hands on.
        """
        self._desktop = desktop
        self._rules = rules
        self._containerd = containerd
        self._freezer = freezer
        self._settings = settings
        self._canaries = canaries
        self._expected = expected
        self._check = check
        self._joined = joined
        self._kept = kept
        self._surveyed = surveyed
        self._denied: set[tuple[int, int]] = set()
        self._left_out = LeftOut()
        self._refused: dict[str, tuple[str, int]] = {}
        self._changed_while_saved: dict[str, None] = {}
        self._hold = Hold()
        self._held = ExitStack()
        self._defaults: HomeDefaults | None = None
        self._layers: list[tuple[Blob, int]] = []
        # How many files came out of which the layers before had nothing.
        self._new_names = 0
        # True while it stands on the layers of an earlier save.
        self._kept_used = False

    def run(self, spool: Spool, status: Status) -> Captured:
        """Read it; SecretFound when secrets are in too many large files."""
        path = ""
        for _ in range(_MOST_RESTARTS):
            try:
                return self._once(spool, status)
            except SecretInStream as found:
                log.warning(
                    "a secret deep in a file, again without it container=%s",
                    self._desktop.container_id,
                )
                self._denied.add(found.identity)
                path = found.path
            except _Anew as found:
                path = str(found)
        raise SecretFound(
            "The desktop's own access keys are in several large files, so it was not saved. "
            f"{SAFE} Delete {printable(path)} and save again.",
            path=printable(path),
        )

    def _once(self, spool: Spool, status: Status) -> Captured:
        kept, self._kept = self._kept, None
        self._kept_used = kept is not None
        self._changed_while_saved, self._layers = {}, []
        file = kept.file if kept is not None else IndexFile(spool)
        try:
            with Ground(self._desktop, self._rules, self._joined) as ground:
                walker = self._prepare(kept, ground)
                root = walker.root()
                try:
                    self._live(spool, status, walker, file.index, kept is None)
                    self._still(spool, status, walker, file.index, root.fd)
                finally:
                    root.close()
        except BaseException:
            file.close()
            raise
        return self._captured(kept, file)

    def _prepare(self, kept: Kept | None, ground: Ground) -> Walker:
        folder = self._settings.home_defaults
        self._defaults = ground.home_defaults(folder)
        if kept is None or self._surveyed is None:
            self._left_out, self._refused = LeftOut(volumes(self._desktop.mounts)), {}
            return ground.walker(self._left_out, folder)
        # Already told by the survey, as it is now; of this the walk would see a part.
        self._left_out, self._refused = self._surveyed.copy(), dict(kept.refused)
        return ground.walker(lambda *_: None, folder)

    def _captured(self, kept: Kept | None, file: IndexFile) -> Captured:
        earlier = kept.layers if kept is not None else []
        layers = [*earlier, *(KeptLayer.of(*one) for one in self._layers)]
        with LowerView([self._desktop.upper]) as upper:
            for path in [path for path in self._refused if not upper.kind(path)]:
                del self._refused[path]
        for path, (reason, size) in self._refused.items():
            self._left_out(path, reason, size)
        return Captured(
            earlier=earlier,
            blobs=[blob for blob, _ in self._layers],
            left_out=self._left_out,
            content_bytes=sum(layer.content_bytes for layer in layers),
            frozen=self._hold.seconds,
            joined=self._joined,
            kept=Kept(
                self._desktop.container_id,
                self.choices(self._desktop, self._rules, self._settings, self._joined),
                file,
                layers,
                self._refused,
                kept.whole if kept is not None else len(layers),
            ),
            changed_while_saved=list(self._changed_while_saved),
        )

    @staticmethod
    def choices(
        desktop: Desktop, rules: Rules, settings: CaptureSettings, joined: int
    ) -> object:
        """Whatever decides what is taken: with other choices nothing that was kept fits."""
        return (desktop.parent, desktop.upper, desktop.mounts, desktop.env) + (
            rules.choices,
            joined,
            settings.largest_file,
            settings.home_defaults,
        )

    def _live(
        self,
        spool: Spool,
        status: Status,
        walker: Walker,
        index: Index,
        whole: bool,
    ) -> None:
        """Pass by pass while the desktop runs, until the rest is small or no longer shrinks."""
        step = status.begin("read", self._expected if whole else None)
        changes = walker.walk(index.record) if whole else index.changes(walker)
        for number in range(_MOST_PASSES):
            started = time.monotonic()
            before = self._pass(spool, step, changes, f"pass-{number}")
            if time.monotonic() - started < _SHORT_PASS:
                return
            rest = sum(
                size_of(change.stat)
                for change in index.changes(walker, self._check, adopt=False)
                if change.stat is not None
            )
            if not _WORTH_A_PASS < rest < before / 2:
                return
            changes = index.changes(walker)

    def _pass(
        self,
        spool: Spool,
        step: Step,
        changes: Iterator[Change],
        name: str,
        late: bool = False,
    ) -> int:
        """The layers of one pass, none when there was nothing to take; the bytes of its files."""
        numbers = itertools.count()

        def opened() -> tuple[LayerFile, TarWriter]:
            layer = self._layer(spool, f"{name}-{next(numbers)}.tar.zst")
            return layer, self._writer(layer, step)

        # Never many, however much there is: each one is a layer of every image on top.
        size = max(self._settings.layer_bytes, self._expected // _MOST_PARTS)
        take = self._take_late if late else self._take
        layers = SplitLayers(opened, take, size)
        try:
            for change in changes:
                self._check()
                layers.add(change)
            found = layers.finish()
        finally:
            layers.abort()
        self._layers += found
        return sum(count for _, count in found)

    def _still(
        self, spool: Spool, status: Status, walker: Walker, index: Index, root_fd: int
    ) -> None:
        """What has changed since, copied as it is while the desktop stands still.

        What the freeze has no time for is copied after it, and named.
        """
        step = status.begin("freeze")
        raw = RawFile(spool.open("frozen.tar"))
        try:
            with self._freeze():
                writer = self._writer(raw, step)
                synced = 0
                for change in index.changes(walker, self._tick):
                    self._check()
                    self._tick()
                    # For the next save: from the thaw on it may change again (see TarWriter).
                    synced += change.kind is Kind.FILE
                    writer.live = not self._hold.still or synced <= _MOST_SYNCED
                    self._take_late(writer, change)
                    if not writer.live:
                        change.settled = False
                check_still_there(self._containerd, self._desktop, root_fd)
                whole = self._hold.still
            writer.finish()
        finally:
            raw.close()
        if writer.entries:
            blob = raw.compress(self._layer(spool, "frozen.tar.zst"), self._check)
            self._layers.append((blob, writer.content_bytes))
        spool.drop("frozen.tar")
        if not whole:
            self._settle(spool, step, walker, index)

    def _settle(self, spool: Spool, step: Step, walker: Walker, index: Index) -> None:
        """Look again, until no new name comes: what was moved meanwhile has one.

        A look while the desktop runs finds such a thing at neither place, when it was moved from
        where the look had still to come to where it had been.
        """
        for number in range(_MOST_SETTLING):
            before, changes = self._new_names, index.changes(walker)
            self._pass(spool, step, changes, f"settled-{number}", late=True)
            if self._new_names == before:
                return

    def _take(self, writer: TarWriter, change: Change) -> None:
        self._refused.pop(change.path, None)
        writer.add(change)
        self._new_names += not change.known and change.kind not in _NO_NEWS
        if change.known and not change.taken and change.settled:
            # Refused now, and taken before: what was below it would be seen otherwise.
            raise _Anew(change.path)
        hides = change.kind in _HIDES or change.replaces_directory
        if self._kept_used and change.known and hides:
            # Deleted since the save before: whoever did so wants it to be in no layer.
            if not deleted_by_programs(change.path, self._rules.home):
                raise _Anew(change.path)
        again = self._defaults.place(change) if self._defaults else None
        if again is not None:
            writer.add_again(change, again)

    def _take_late(self, writer: TarWriter, change: Change) -> None:
        self._take(writer, change)
        self._note_unsteady(change)

    @contextmanager
    def _freeze(self) -> Iterator[None]:
        settings = self._settings
        self._hold = Hold()
        if not settings.freeze:
            yield
            return
        freezing = self._freezer.freeze(
            self._desktop.container_id, settings.freeze_deadline
        )
        # A collection of garbage may take as long as the whole freeze: before it, not in it.
        gc.collect()
        gc.disable()
        try:
            with ExitStack() as self._held:
                self._hold = self._held.enter_context(freezing)
                yield
        finally:
            gc.enable()

    def _tick(self) -> None:
        """Let go when the budget is used up."""
        hold, budget = self._hold, self._settings.freeze_budget * _BUDGET_SHARE
        if hold.ours and hold.still and time.monotonic() - hold.started > budget:
            log.info(
                "the freeze used its budget up container=%s", self._desktop.container_id
            )
            self._held.close()

    def _note_unsteady(self, change: Change) -> None:
        if self._hold.still or change.stat is None or change.kind is Kind.DIRECTORY:
            return
        if self._hold.over or change.time() == -1:
            if len(self._changed_while_saved) < _MOST_NAMED:
                self._changed_while_saved[printable(change.path)] = None

    def _refuse(self, path: str, reason: str, size: int) -> None:
        self._refused[path] = reason, size

    def _layer(self, spool: Spool, name: str) -> LayerFile:
        settings = self._settings
        file = spool.open(name)
        return LayerFile(file, settings.zstd_level, settings.zstd_threads)

    def _writer(self, sink: Sink, step: Step) -> TarWriter:
        def progress(count: int) -> None:
            # Here too: one file may be larger than everything else together.
            self._check()
            self._tick()
            step.add(count)

        return TarWriter(
            sink,
            canaries=self._canaries,
            denied=self._denied,
            leave_out=self._refuse,
            largest_file=self._settings.largest_file,
            progress=progress,
            live=True,
        )
