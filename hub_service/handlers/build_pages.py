"""The page "Build an image"."""

from collections.abc import Mapping
from typing import Any

from hub_service.building.builds import BuildRequest
from hub_service.building.form import Form, dockerfile
from hub_service.errors import PublicError
from hub_service.handlers.base import WRITE, needs_scope, status_of
from hub_service.handlers.pages import PageHandler
from hub_service.models import BUILD, Job
from hub_service.pages.views import public_error_view
from hub_service.rules.policy import require_own_job

LIST, TEXT = "packages", "dockerfile"
"""The two ways to say what is built."""


class BuildPage(PageHandler):
    """Building an image from a list of packages or a Dockerfile."""

    @needs_scope(WRITE)
    async def get(self) -> None:
        """Ask what shall be built; `again` begins with what an earlier build had."""
        again = self.get_query_argument("again", "")
        given: dict[str, Any] = {}
        if again:
            job = require_own_job(self.person, self.services.jobs.get(again))
            given = _given(job)
        way = self.get_query_argument("way", TEXT if again else LIST)
        self._ask(way, given)

    @needs_scope(WRITE)
    async def post(self) -> None:
        """Begin the build and show the job; ask again, with what was typed, when it is refused."""
        way = self.get_body_argument("way", LIST)
        given: dict[str, Any] = {
            name: self.get_body_argument(name, "")
            for name in ("title", "description", "base", "note", "dockerfile")
        }
        given |= {name: self.form_texts(name) for name in ("apt", "pip", "r")}
        given["stage"] = bool(self.get_body_argument("stage", ""))
        try:
            request = BuildRequest(
                title=given["title"],
                description=given["description"],
                dockerfile=_text(way, given),
                context=self.get_body_argument("context", "") if way == TEXT else "",
                activate=not given["stage"],
            )
            job = await self.services.builds.start(self.person, request)
        except PublicError as error:
            self.set_status(status_of(error))
            self._ask(way, given, public_error_view(error, self._))
            return
        self.services.reconciler.wake()
        self.redirect(f"{self.services.prefix}jobs/{job.id}")

    def _ask(
        self, way: str, given: dict[str, Any], error: dict[str, Any] | None = None
    ) -> None:
        settings = self.services.builds.settings
        self.show(
            "build.html",
            enabled=settings.template is not None,
            way=way,
            given=given,
            bases=settings.choices,
            bases_named=_named(settings.choices),
            images=self.services.catalogue.targets(self.person.name),
            error=error,
            problems=error["details"].get("problems", []) if error else [],
        )


def _given(job: Job) -> dict[str, Any]:
    if job.kind != BUILD:
        return {}
    return {
        "title": job.title,
        "description": job.request["description"],
        "dockerfile": job.request["dockerfile"],
        "stage": not job.request.get("activate", True),
    }


def _named(choices: Mapping[str, str]) -> str:
    """Return what is written behind FROM, with what it is called elsewhere."""
    return ", ".join(
        slug if slug == title else f"{slug} ({title})"
        for slug, title in choices.items()
    )


def _text(way: str, given: dict[str, Any]) -> str:
    if way == TEXT:
        # A browser sends a form's lines with both of the old line ends.
        return str(given["dockerfile"]).replace("\r\n", "\n")
    names = ("base", "apt", "pip", "r", "note")
    form = {name: given[name] for name in names}
    return dockerfile(Form(**{**form, "note": form["note"].replace("\r\n", "\n")}))


default_handlers = [(r"build", BuildPage)]
