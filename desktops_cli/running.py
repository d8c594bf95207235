"""One run of the command: what it was given, and how it answers."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TextIO

from desktops_cli.client import Client
from desktops_cli.errors import CommandError, UsageProblem
from desktops_cli.figures import Figures
from desktops_cli.following import Follower
from desktops_cli.progress import Progress
from desktops_cli.settings import Settings
from desktops_cli.tables import table
from desktops_cli.words import Translate, sentence


@dataclass(frozen=True)
class Streams:
    """Where is read from and written to; a width is a terminal's, None where there is none."""

    input: TextIO
    output: TextIO
    errors: TextIO
    output_width: int | None = None
    errors_width: int | None = None
    interactive: bool = False
    """Somebody sits there who can be asked."""


@dataclass(frozen=True)
class Run:
    """What a command works with.

    - answers go to the output, everything else that is said to the errors
    - with `--json` the output is one JSON document
    """

    given: Namespace
    settings: Settings
    client: Client
    streams: Streams
    _: Translate
    figures: Figures

    @cached_property
    def progress(self) -> Progress:
        """What shows how far something is."""
        streams = self.streams
        return Progress(streams.errors, streams.errors_width, self.figures, self._)

    def answer(self, text: str, document: dict[str, Any]) -> None:
        """Answer a person, or a program."""
        if self.given.json:
            text = json.dumps(document, indent=2)
        if text:
            self.streams.output.write(f"{text}\n")

    def say(self, text: str) -> None:
        """Say something that is no answer."""
        self.streams.errors.write(f"{text}\n")

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        stretchy: Sequence[int],
    ) -> str:
        """Return a table for the output, its head in the person's language."""
        titles = [self._(title) for title in head]
        return table(titles, rows, width=self.streams.output_width, stretchy=stretchy)

    def confirm(self, question: str) -> None:
        """Raise unless the person says yes; who cannot be asked has to say it before."""
        if self.given.yes:
            return
        if not self.streams.interactive:
            raise UsageProblem(
                "not_confirmed",
                sentence("Nobody can be asked here: say --yes if it is meant."),
            )
        choice = self._("[yes/no]")
        self.streams.errors.write(f"{question} {choice} ")
        self.streams.errors.flush()
        reply = self.streams.input.readline().strip().lower()
        if not reply or not self._("yes").startswith(reply):
            raise CommandError("not_confirmed", sentence("Nothing was deleted."))

    def finish(self, job: dict[str, Any]) -> None:
        """See a job that was begun to its end, unless nobody wants to wait."""
        if self.given.detach:
            self.answer(job["id"], job)
            return
        self.watch(job["id"])

    def watch(self, id: str) -> None:
        """Follow a job; raise with its own words unless it ends well."""
        _ = self._
        try:
            job = Follower(self.client, self.progress, _).follow(id)
        except KeyboardInterrupt:
            self.progress.close()
            self.say(
                _("It goes on. To look again: desktops jobs --follow {id}", id=id[:8])
            )
            raise
        finally:
            self.progress.close()
        if job["state"] != "succeeded":
            error = job["error"] or {"code": f"job_{job['state']}", "details": {}}
            details = {**error["details"], "job": job["id"]}
            raise CommandError(error["code"], said=job["message"], details=details)
        self.answer(job["message"], job)
        if not self.settings.in_session:
            self.say(self.settings.link(job["links"]["image"]))
