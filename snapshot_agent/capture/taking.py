"""What becomes of each change of a desktop that is read."""

from __future__ import annotations

from snapshot_agent.capture.ground import Ground
from snapshot_agent.capture.join import Joined
from snapshot_agent.exclusions import deleted_by_programs, printable
from snapshot_agent.tree.changes import Change, Kind
from snapshot_agent.tree.home_defaults import HomeDefaults
from snapshot_agent.tree.joined import Gone
from snapshot_agent.tree.kept import Kept
from snapshot_agent.tree.layer import TarWriter
from snapshot_agent.tree.lower import Kind as LowerKind

_HIDES = (Kind.WHITEOUT, Kind.OPAQUE)
_NO_NEWS = (Kind.DIRECTORY, *_HIDES)


class Anew(Exception):
    """What the layers so far have can no longer be part of the image: all has to be read."""


class Unjoined(Exception):
    """The layers of earlier saves stay as they are: else something of them would be lost."""


class Taking:
    """Writes the changes of one reading, each to all its places.

    Raises Anew or Unjoined when what comes does not go with what is written already.
    """

    def __init__(
        self,
        ground: Ground,
        defaults: HomeDefaults,
        home: str,
        *,
        joined: Joined,
        may_unjoin: bool,
        kept: Kept | None,
    ) -> None:
        """What it writes lies on what the layers of earlier saves have become, `joined`.

        And on the layers of an earlier save of this desktop, if one was `kept`.
        """
        self.refused = dict(joined.refused)
        """What was left out for what is in it, with the reason and the bytes."""
        self.new_names = 0
        """How many files came out of which the layers before had nothing."""
        self.last = False
        """True when nothing looks again at what could not be taken as it was found."""
        self.bare: set[tuple[int, int]] = set()
        """Inodes that were not taken, though something that was joined lies below them, and is
        not written: all has to be read anew, and they hide nothing then."""
        self.deleted_again = Gone() if kept is None else kept.deleted_again
        """Where what was deleted in the home was deleted again."""
        self._ground = ground
        self._defaults = defaults
        self._home = home
        self._gone = joined.gone
        self._may_unjoin = may_unjoin
        self._kept_used = kept is not None

    def refuse(self, path: str, reason: str, size: int) -> None:
        self.refused[path] = reason, size

    def take(self, writer: TarWriter, change: Change) -> None:
        if self._is_written(writer, change):
            return
        self.refused.pop(change.path, None)
        if not self._of_nothing(change, change.path):
            writer.add(change)
        self.new_names += not change.known and change.kind not in _NO_NEWS
        if not change.taken:
            self._check_hidden(change)
        if self._kept_used and self._deletes(change):
            # Deleted since the save before: whoever did so wants it to be in no layer.
            if not deleted_by_programs(change.path, self._home):
                raise Anew(change.path)
        again = self._defaults.place(change)
        if change.taken:
            self._check_shown(change, again)
        if again is not None and not self._of_nothing(change, again):
            self._add_again(writer, change, again)
            if change.kind is Kind.WHITEOUT:
                self.deleted_again.add(again)

    def _add_again(self, writer: TarWriter, change: Change, again: str) -> None:
        """Below the folders that it is in, which may be the person's own."""
        missing = [
            folder
            for folder in self._defaults.folders(again)
            if folder not in writer.directories
        ]
        for folder in self._ground.own_folders(missing):
            writer.add(folder)
        writer.add_again(change, again)

    def _is_written(self, writer: TarWriter, change: Change) -> bool:
        """True for a folder that is in this layer already, for what is in it."""
        if change.kind is not Kind.DIRECTORY or change.stat is None:
            return False
        written = writer.directories.get(change.path)
        if written is None:
            return False
        # If it has changed since, it comes in the next pass.
        change.settled = written == change.stat.st_ctime_ns
        return True

    def _of_nothing(self, change: Change, path: str) -> bool:
        """True for the deletion of what only the layers had that were joined, and left behind."""
        if change.kind is not Kind.WHITEOUT or change.known:
            return False
        return path in self._gone

    def _check_hidden(self, change: Change) -> None:
        """Of what was not taken, something may have been there before, and be seen again."""
        if change.settled and change.known:
            raise Anew(change.path)
        places = {change.path, self._defaults.second(change.path)}
        if not any(one in self._gone for one in places if one):
            return
        if self._may_unjoin and (change.settled or self.last):
            raise Unjoined(f"{printable(change.path)} is left out")
        if change.settled and change.stat is not None:
            self.bare.add((change.stat.st_dev, change.stat.st_ino))

    def _check_shown(self, change: Change, again: str | None) -> None:
        """A folder that came over one of the image meanwhile shows what is below it again."""
        places = [] if again else [self._defaults.second(change.path)]
        frame = change.frame if change.kind is Kind.DIRECTORY else None
        if frame is not None and not frame.hidden:
            places.append(change.path)
        for place in places:
            if place is None:
                continue
            deleted, gone = place in self.deleted_again, place in self._gone
            if not (deleted or gone) or not self._ground.shows_through(place):
                continue
            if deleted or not self._may_unjoin:
                # Joining once more, it is seen that the folder is there.
                raise Anew(place)
            raise Unjoined(f"{printable(place)} was changed meanwhile")

    def _deletes(self, change: Change) -> bool:
        """True for the end of something that the layers so far have."""
        if change.known:
            return change.kind in _HIDES or change.replaces_directory
        if change.kind is Kind.DIRECTORY:
            return False
        marker = change.kind is Kind.OPAQUE
        path = change.path.rpartition("/")[0] if marker else change.path
        there = self._ground.saved.kind(path)
        if there is None or path in self._gone:
            return False
        return change.kind in _HIDES or there is LowerKind.DIRECTORY
