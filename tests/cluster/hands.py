"""Somebody who goes on working while a desktop is saved."""

import shlex
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tests.cluster.conftest import Demo, wait_for

# One program from begin to end: none can be started in a container that stands still.
# A file of the image is changed in place, which copies it up; around it things come and go.
WORK = """
set -e
rm -f /tmp/enough /tmp/rounds
until [ -e /tmp/enough ]; do
  began=$(date +%s.%N)
  for file in {files}; do
    touch $file
    cd $(dirname $file)
    echo one > made-here
    mv made-here renamed-here
    echo two >> renamed-here
    chmod 600 renamed-here
    mkdir folder-here
    ln renamed-here folder-here/linked
    rm -r folder-here renamed-here
  done
  cd /
  echo $began $(date +%s.%N) >> /tmp/rounds
done
"""


class Hands:
    """`with Hands(cluster, pod, files) as hands:` works beside all of `files` until the end.

    - a round creates, renames, changes and deletes in the folder of each file, as root;
    - the first thing that fails ends it, and the block with it.
    """

    def __init__(self, cluster: Demo, pod: str, files: Sequence[str]) -> None:
        assert len(files) > 1, files
        self._cluster = cluster
        self._pod = pod
        self._script = WORK.format(files=" ".join(map(shlex.quote, files)))
        self._threads = ThreadPoolExecutor(1)
        self._working: Future[str] | None = None
        self._rounds: list[tuple[float, float]] = []

    def __enter__(self) -> "Hands":
        script = f"sudo bash -c {shlex.quote(self._script)}"
        command = ["exec", self._pod, "-c", "notebook", "--", "bash", "-c", script]
        self._working = self._threads.submit(
            self._cluster.kubectl, *command, timeout=600
        )
        self.wait_for_rounds(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._working is not None
        self._read()
        self._cluster.run(self._pod, "touch /tmp/enough")
        try:
            self._working.result(60)
        finally:
            self._threads.shutdown(wait=False)

    def wait_for_rounds(self, count: int) -> None:
        """Wait until so many rounds have been begun and ended from now on."""
        now = time.time()

        def worked() -> bool:
            assert self._working is not None
            if self._working.done():
                self._working.result()
            self._read()
            return self.rounds(now) >= count

        wait_for("rounds of work", worked, 60)

    def rounds(self, since: float, until: float = float("inf")) -> int:
        """Return how many rounds lie wholly in a time."""
        return sum(since <= began and ended <= until for began, ended in self._rounds)

    def _read(self) -> None:
        text = self._cluster.run(self._pod, "cat /tmp/rounds 2>/dev/null || true")
        lines = [line.split() for line in text.splitlines()]
        self._rounds = [(float(one[0]), float(one[1])) for one in lines]
