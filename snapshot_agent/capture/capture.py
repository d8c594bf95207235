"""Reads a desktop into layers: all while it runs, then, while it stands still, what changed since.

All of it runs in one thread, and nothing of it knows the network.
"""

from __future__ import annotations

import gc
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
from snapshot_agent.capture.join import Join, Joined
from snapshot_agent.capture.joining import Plan, tell_unjoined
from snapshot_agent.capture.layers import Blobs, LayerWriters
from snapshot_agent.capture.survey import LeftOut
from snapshot_agent.capture.taking import Anew, Taking, Unjoined
from snapshot_agent.errors import SAFE, SecretFound
from snapshot_agent.exclusions import Rules, printable, volumes
from snapshot_agent.failures import is_full
from snapshot_agent.status import Status, Step
from snapshot_agent.tree.changes import Change, Kind, Walker, size_of
from snapshot_agent.tree.index import Index
from snapshot_agent.tree.kept import IndexFile, Kept, KeptLayer
from snapshot_agent.tree.layer import SecretInStream, TarWriter
from snapshot_agent.tree.lower import LowerView
from snapshot_agent.tree.spool import Blob, RawFile, Spool

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
# To start their writing back takes time, of which the freeze has little.
_MOST_SYNCED = 16
# Looks after a freeze that had no time for all; more help only who never stops moving things.
_MOST_SETTLING = 3


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
        plan: Plan,
        decide: Callable[[], Plan],
        kept: Kept | None = None,
        surveyed: LeftOut | None = None,
        written: Callable[[Blob], None] = lambda blob: None,
    ) -> None:
        """`expected` bytes are to be read; `check` raises Cancelled when it is to stop.

        By the `plan` the layers of earlier saves become one: the one of `kept`, and when that
        turns out to be of no use, what `decide` says then. `surveyed` is what the rules leave out
        of the desktop, to be told with `kept`, which this object closes or hands on. `written` is
        told each layer as it is finished, also one that is then of no use.
        """
        self._desktop = desktop
        self._rules = rules
        self._containerd = containerd
        self._freezer = freezer
        self._settings = settings
        self._canaries = canaries
        self._expected = expected
        self._check = check
        self._written = written
        self._plan, self._decide = plan, decide
        self._joined = Joined()
        self._kept = kept
        self._surveyed = surveyed
        self._denied: set[tuple[int, int]] = set()
        self._bare: set[tuple[int, int]] = set()
        self._left_out = LeftOut()
        self._changed_while_saved: dict[str, None] = {}
        self._hold = Hold()
        self._held = ExitStack()
        self._layers: Blobs = []
        # True while it stands on the layers of an earlier save.
        self._kept_used = False

    def run(self, spool: Spool, status: Status) -> Captured:
        """Read it; SecretFound when secrets are in too many large files."""
        path, restarts = "", 0
        while restarts < _MOST_RESTARTS:
            try:
                return self._once(spool, status)
            except SecretInStream as found:
                log.warning(
                    "a secret deep in a file, again without it container=%s",
                    self._desktop.container_id,
                )
                self._denied.add(found.identity)
                path, restarts = found.path, restarts + 1
            except Anew as found:
                path, restarts = str(found), restarts + 1
            except Unjoined as found:
                self._unjoin(spool, str(found))
            except OSError as error:
                # The room that it has taken may be what is missing.
                if not (
                    is_full(error) and self._joined.blobs and not self._plan.needed
                ):
                    raise
                self._unjoin(spool, "there is no room for it")
        raise SecretFound(
            "The desktop's own access keys are in several large files, so it was not saved. "
            f"{SAFE} Delete {printable(path)} and save again.",
            path=printable(path),
        )

    def _once(self, spool: Spool, status: Status) -> Captured:
        kept, self._kept = self._kept, None
        if self._kept_used and kept is None:
            self._plan = self._decide()
        self._kept_used = kept is not None
        self._changed_while_saved, self._layers = {}, []
        file = kept.file if kept is not None else IndexFile(spool)
        try:
            total = self._expected + self._plan.apparent
            step = status.begin("read", None if self._kept_used else total)
            self._joined = self._join(kept, spool, step)
            self._layers += self._joined.blobs
            with Ground(self._desktop, self._rules, self._plan.layers) as ground:
                walker = self._prepare(kept, ground)
                root = walker.root()
                try:
                    self._live(spool, step, walker, file.index)
                    self._still(spool, status, walker, file.index, root.fd)
                finally:
                    root.close()
            if self._taking.bare:
                self._bare |= self._taking.bare
                raise Anew("what was saved before")
        except BaseException:
            file.close()
            raise
        return self._captured(kept, file)

    def _join(self, kept: Kept | None, spool: Spool, step: Step) -> Joined:
        if kept is not None:
            # What they have become is in the layers that were kept.
            return Joined(gone=kept.gone, refused=kept.refused, bytes=kept.joined_bytes)
        if not self._plan.layers:
            return Joined()
        parts = (self._desktop, self._plan, self._rules, self._settings)
        join = Join(*parts, self._canaries, self._check, self._written)
        done = join.run(spool, step, self._denied | self._bare)
        if done is None:
            self._plan = self._plan.without()
        return done or Joined()

    def _unjoin(self, spool: Spool, why: str) -> None:
        tell_unjoined(self._desktop, why)
        for blob, _ in self._joined.blobs:
            spool.drop(blob.path.name)
        # With that it is decided, also when what was kept is of no use.
        self._plan, self._joined = self._plan.without(), Joined()
        self._kept_used = False

    def _prepare(self, kept: Kept | None, ground: Ground) -> Walker:
        self._taking = Taking(
            ground,
            ground.home_defaults(self._settings.home_defaults),
            self._rules.home,
            joined=self._joined,
            may_unjoin=not self._plan.needed,
            kept=kept,
        )
        if kept is None or self._surveyed is None:
            self._left_out = LeftOut(volumes(self._desktop.mounts))
            return ground.walker(self._left_out)
        # Already told by the survey, as it is now; of this the walk would see a part.
        self._left_out = self._surveyed.copy()
        return ground.walker(lambda *_: None)

    def _captured(self, kept: Kept | None, file: IndexFile) -> Captured:
        earlier = kept.layers if kept is not None else []
        layers = [*earlier, *(KeptLayer.of(*one) for one in self._layers)]
        desktop, saved = self._desktop, self._plan.layers
        with LowerView([desktop.upper, *desktop.lowers[:saved]]) as read:
            refused = {
                path: why
                for path, why in self._taking.refused.items()
                if read.kind(path)
            }
        for path, (reason, size) in refused.items():
            self._left_out(path, reason, size)
        return Captured(
            earlier=earlier,
            blobs=[blob for blob, _ in self._layers],
            left_out=self._left_out,
            # Not what earlier saves had brought.
            content_bytes=sum(layer.content_bytes for layer in layers)
            - self._joined.bytes,
            frozen=self._hold.seconds,
            joined=saved,
            kept=Kept(
                desktop.container_id,
                self.choices(desktop, self._rules, self._settings, saved),
                file,
                layers,
                refused,
                kept.whole if kept is not None else len(layers),
                self._joined.gone,
                self._taking.deleted_again,
                self._joined.bytes,
                self._plan,
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

    def _live(self, spool: Spool, step: Step, walker: Walker, index: Index) -> None:
        """Pass by pass while the desktop runs, until the rest is small or no longer shrinks."""
        kept = self._kept_used
        changes = index.changes(walker) if kept else walker.walk(index.record)
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
        take = self._take_late if late else self._taking.take
        checked = self._checked(changes)
        found = self._writers(spool, step).write(checked, take, name, self._expected)
        self._layers += found
        return sum(count for _, count in found)

    def _still(
        self, spool: Spool, status: Status, walker: Walker, index: Index, root_fd: int
    ) -> None:
        """What has changed since, copied as it is while the desktop stands still.

        What the freeze has no time for is copied after it, and named.
        """
        step = status.begin("freeze")
        raw, writers = RawFile(spool.open("frozen.tar")), self._writers(spool, step)
        try:
            with self._freeze():
                writer, since, late = writers.writer(raw), time.time_ns(), False
                synced = 0
                for change in index.changes(walker, self._tick):
                    self._tick()
                    # For the next save: from the thaw on it may change again (see TarWriter).
                    synced += change.kind is Kind.FILE
                    writer.live = not self._hold.still or synced <= _MOST_SYNCED
                    self._take_late(writer, change)
                    late |= not self._hold.still
                    if not writer.live:
                        change.settled = False
                check_still_there(self._containerd, self._desktop, root_fd)
                whole = self._hold.still
            whole |= not late and not index.may_have_missed(since)
            writer.finish()
        finally:
            raw.close()
        if writer.entries:
            blob = raw.compress(writers.file("frozen.tar.zst"), self._check)
            self._layers.append((blob, writer.content_bytes))
        spool.drop("frozen.tar")
        if not whole:
            self._settle(spool, step, walker, index)

    def _settle(self, spool: Spool, step: Step, walker: Walker, index: Index) -> None:
        """Look again, until no new name comes: what was moved meanwhile has one.

        A look while the desktop runs finds such a thing at neither place, when it was moved from
        where the look had still to come to where it had been.
        """
        log.info("looking again container=%s", self._desktop.container_id)
        self._taking.last = True
        for number in range(_MOST_SETTLING):
            before, changes = self._taking.new_names, index.changes(walker)
            self._pass(spool, step, changes, f"settled-{number}", late=True)
            if self._taking.new_names == before:
                return

    def _take_late(self, writer: TarWriter, change: Change) -> None:
        self._taking.take(writer, change)
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
        """Raise Cancelled when it is to stop; let go when the budget is used up."""
        self._check()
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

    def _checked(self, changes: Iterator[Change]) -> Iterator[Change]:
        for change in changes:
            self._check()
            yield change

    def _writers(self, spool: Spool, step: Step) -> LayerWriters:
        def progress(count: int) -> None:
            # Here too: one file may be larger than everything else together.
            self._tick()
            step.add(count)

        return LayerWriters(
            spool,
            self._settings,
            canaries=self._canaries,
            denied=self._denied,
            leave_out=self._taking.refuse,
            progress=progress,
            written=self._written,
        )
