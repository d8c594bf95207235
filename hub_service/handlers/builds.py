"""Building an image from a Dockerfile or a list of packages."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, stream_request_body

from hub_service.building.builds import BuildRequest
from hub_service.building.form import Form, dockerfile
from hub_service.building.rules import problems
from hub_service.errors import BadRequest, sentence
from hub_service.handlers.base import READ, WRITE, ApiHandler, needs_scope
from hub_service.handlers.commits import title_of
from hub_service.handlers.jobs import OwnJobHandler
from hub_service.pages.views import problem_views
from hub_service.stores.contexts import MAX_BYTES


class BuildsHandler(ApiHandler):
    """Begins builds."""

    @needs_scope(WRITE)
    async def post(self) -> None:
        """Begin a build; the answer is the job."""
        body = self.body("BuildRequest")
        request = BuildRequest(
            title=title_of(body["image"]),
            description=body.get("description", ""),
            dockerfile=dockerfile_of(body),
            context=body.get("context") or "",
            start_test=body.get("start_test", True),
            activate=body.get("activate", True),
        )
        job = await self.services.builds.start(self.person, request)
        self.services.reconciler.wake()
        self.send(self.views.job(job, self._), status=202)


class BuildPreviewHandler(ApiHandler):
    """The Dockerfile that a form makes, and what is wrong with one, before anything runs."""

    @needs_scope(READ)
    async def post(self) -> None:
        """Return the Dockerfile with its problems by line."""
        text = dockerfile_of(self.body("BuildPreviewRequest"))
        found = problems(text, self.services.builds.settings.offered)
        self.send({"dockerfile": text, "problems": problem_views(found, self._)})


@stream_request_body
class ContextsHandler(ApiHandler):
    """Takes the files that go along with a Dockerfile."""

    async def prepare(self) -> None:
        """Refuse what may not or is too large before its bytes are taken."""
        await super().prepare()
        self._file: Any = None
        if self.request.method != "POST":
            # Its bytes would come before Tornado looks for the verb.
            raise HTTPError(405)
        if not self.current_user:
            raise HTTPError(401)
        self.require_scope(WRITE)
        self._refuse_large(int(self.request.headers.get("Content-Length") or 0))
        self._file = tempfile.NamedTemporaryFile(dir=tempfile.gettempdir())
        self._hash = hashlib.sha256()
        self._bytes = 0

    def data_received(self, chunk: bytes) -> None:
        """Write it to the disk: memory stays small."""
        self._bytes += len(chunk)
        self._refuse_large(self._bytes)
        self._hash.update(chunk)
        self._file.write(chunk)

    @needs_scope(WRITE)
    async def post(self) -> None:
        """Keep the archive; the answer is its id."""
        if not self._bytes:
            raise BadRequest("context_empty", sentence("This archive is empty."))
        self._file.flush()
        services, owner = self.services, self.person.name
        waiting = {job.request.get("context", "") for job in services.jobs.unfinished()}
        await services.contexts.clean(owner, waiting)
        digest = f"sha256:{self._hash.hexdigest()}"
        id = await services.contexts.add(owner, Path(self._file.name), digest)
        self.send({"id": id, "bytes": self._bytes}, status=201)

    def on_finish(self) -> None:
        """Leave nothing on the disk."""
        if getattr(self, "_file", None):
            self._file.close()
        super().on_finish()

    def _refuse_large(self, size: int) -> None:
        if size > MAX_BYTES:
            raise BadRequest(
                "context_too_large",
                sentence("The files have more than {limit} MB: leave some out."),
                limit=MAX_BYTES // 1_000_000,
            )


class JobLogHandler(OwnJobHandler):
    """The log of a build."""

    @needs_scope(READ)
    async def get(self, id: str) -> None:
        """Return the log as far as it is."""
        self.own(id)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self.services.logs.text(id))


def dockerfile_of(body: dict[str, Any]) -> str:
    """Return the Dockerfile that a request brings, or that its form makes."""
    if "form" not in body:
        return str(body["dockerfile"])
    return dockerfile(Form(**body["form"]))


default_handlers = [
    (r"api/v1/builds", BuildsHandler),
    (r"api/v1/builds/preview", BuildPreviewHandler),
    (r"api/v1/contexts", ContextsHandler),
    (r"api/v1/jobs/([0-9a-f]{32})/log", JobLogHandler),
]
