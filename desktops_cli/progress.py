"""How far a job is: one line that is drawn anew on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import Any, TextIO

from desktops_cli.figures import Figures, cut, printable
from desktops_cli.words import Translate

QUIET_SECONDS = 10.0
"""Between two plain lines of the same step: a log that is read later stays short."""
CLEAR = "\r\x1b[K"


class Progress:
    """Shows a job's own sentence and its bytes, as the service counts them.

    - `width` is the terminal's, None when the stream is none
    - what a build prints goes above the line
    """

    def __init__(
        self,
        stream: TextIO,
        width: int | None,
        figures: Figures,
        translate: Translate,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._width = width
        self._figures = figures
        self._ = translate
        self._clock = clock
        self._line = ""
        self._message = ""
        self._written = 0.0
        self._unended = ""

    def job(self, job: dict[str, Any]) -> None:
        """Show where a job stands; its end is not progress."""
        if job["ended"] is None:
            self.show(
                job["message"], job["bytes_done"], job["bytes_total"], job["rate"]
            )

    def show(
        self,
        message: str,
        done: int | None = None,
        total: int | None = None,
        rate: float | None = None,
    ) -> None:
        """Show one state."""
        line = printable(" ".join([message, *self._bytes(done, total, rate)]))
        if line == self._line:
            return
        if self._width is not None:
            self._write(CLEAR + cut(line, self._width - 1))
        elif message != self._message or self._clock() - self._written > QUIET_SECONDS:
            self._write(line + "\n")
            self._written = self._clock()
        self._line, self._message = line, message

    def log(self, text: str) -> None:
        """Show what a build printed: whole lines, without commands for the terminal."""
        *whole, self._unended = (self._unended + text).split("\n")
        lines = "".join(f"{printable(one)}\n" for one in whole)
        if self._width is None:
            self._write(lines)
        else:
            self._write(CLEAR + lines + cut(self._line, self._width - 1))

    def close(self) -> None:
        """Leave a clean line for what is said next."""
        if self._unended:
            self.log("\n")
        if self._width is not None and self._line:
            self._write(CLEAR)
        self._line = ""

    def _bytes(
        self, done: int | None, total: int | None, rate: float | None
    ) -> list[str]:
        size = self._figures.size
        if not done and not total:
            return []
        values = {
            "done": size(done),
            "total": size(total),
            "rate": size(int(rate or 0)),
        }
        if not total:
            return [values["done"]]
        if not rate:
            return [self._("{done} of {total}", **values)]
        return [self._("{done} of {total}, {rate}/s", **values)]

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
