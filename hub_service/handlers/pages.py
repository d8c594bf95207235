"""The pages: my images, my running desktops, saving one, a job."""

from typing import Any

from tornado.web import HTTPError

from hub_service.commits import CommitRequest
from hub_service.errors import BadRequest, NotFound, PublicError, sentence
from hub_service.handlers.base import (
    READ,
    WRITE,
    BaseHandler,
    NothingHandler,
    log,
    needs_scope,
    status_of,
)
from hub_service.images.origins import Origin
from hub_service.models import (
    BUILD,
    COMMIT,
    TRIALS,
    Server,
    Version,
)
from hub_service.pages.rendering import render
from hub_service.pages.views import public_error_view
from hub_service.rules.policy import as_seen_by, require_own_job

OWN, OTHERS = 1000, 60
"""Images on one page: all of one's own, for they are one's own work; others' page by page."""


class PageHandler(BaseHandler):
    """Shows HTML; who is not logged in is sent to JupyterHub's login."""

    async def prepare(self) -> None:
        """Log in first."""
        await super().prepare()
        if not self.current_user:
            if self.request.method != "GET":
                raise HTTPError(403)
            self.redirect(self.get_login_url())

    def show(self, template: str, **values: Any) -> None:
        """Render a page."""
        prefix, hub = self.services.prefix, self.services.hub_prefix
        html = render(
            template,
            language=self.language,
            _=self._,
            prefix=prefix,
            hub_prefix=hub,
            hub_static=f"{hub}static/" if hub else f"{prefix}hub-static/",
            user=self.current_user["name"] if self.current_user else "",
            admin=bool(self.current_user) and self.person.admin,
            xsrf=self.xsrf_token.decode(),
            **values,
        )
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Show what happened and the way back."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, PublicError):
            self.set_status(status_of(error))
            view = public_error_view(error, self._)
        else:
            words = {
                403: self._(
                    "You may not see this page, or it was open for too long. Go back and reload."
                ),
                404: self._("There is no such page."),
            }
            other = self._(
                "Something went wrong on our side. Nothing was lost. Try again."
            )
            view = {
                "code": status_code,
                "message": words.get(status_code, other),
                "details": {},
            }
        self.show("error.html", error=view)

    def log_exception(self, *exc_info: Any) -> None:
        """Log defects whole, what a person did wrong in a line."""
        if isinstance(exc_info[1], PublicError):
            log.info(
                "%s %s: %s", self.request.method, self.request.path, exc_info[1].code
            )
            return
        super().log_exception(*exc_info)

    def names_of(self, *versions: Version) -> dict[str, Origin]:
        """Return what the images are called that versions were started from."""
        images = [one for version in versions for one in (version.base, version.origin)]
        return self.services.origins.known(self.person, images)

    def form_number(self, name: str) -> int:
        """Return the number in a field."""
        text = self.get_body_argument(name, "")
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise BadRequest(
                "invalid_request", sentence("{value} is no number."), value=text[:40]
            )
        return int(text)

    def form_texts(self, name: str) -> list[str]:
        """Return the names in a text field, separated by spaces or commas."""
        return [
            word
            for word in self.get_body_argument(name, "").replace(",", " ").split()
            if word
        ]


class ImagesPage(PageHandler):
    """My images."""

    @needs_scope(READ)
    async def get(self) -> None:
        """List the person's own images, and those that others let them start."""
        query = self.get_query_argument("q", "")
        name = self.person.name
        cursor = self.get_query_argument("cursor", "")
        seen_by = self.services.catalogue.images_seen_by
        mine = seen_by(self.person, owner=name, query=query, limit=OWN).items
        page = seen_by(
            self.person,
            not_of=name,
            startable=True,
            query=query,
            cursor=cursor,
            limit=OTHERS,
        )
        others = [as_seen_by(self.person, image) for image in page.items]
        jobs = [
            job
            for job in self.services.jobs.unfinished()
            if job.owner == self.person.name
        ]
        self.show(
            "images.html",
            mine=[self.views.image(image) for image in ([] if cursor else mine)],
            others=[self.views.image(image) for image in others],
            later=bool(cursor),
            next=page.next,
            jobs=[self.views.job(job, self._) for job in jobs],
            query=query,
            quota=self.services.quotas.allowance(self.person).to_dict(),
            builds=self.services.builds.settings.template is not None,
            deleted=self.get_query_argument("deleted", ""),
        )


class DesktopsPage(PageHandler):
    """My running desktops."""

    @needs_scope(READ)
    async def get(self) -> None:
        """List the person's servers, each with a save button."""
        servers = await self.services.site.servers(self.person.name)
        jobs = self.services.jobs.unfinished()
        saving = {
            job.server: job
            for job in jobs
            # What was saved and is being tried leaves the desktop alone.
            if job.kind == COMMIT and not job.result
        }
        images = await self.services.commits.started_from(self.person)
        known = [{"name": image} for image in images.values()]
        names = self.services.origins.known(self.person, known)
        rows = [
            {
                "server": one,
                "title": self._title(one.server),
                "image": names.get(images.get(one.server, "")),
                "session": one.options.get("session", ""),
                "job": saving.get(one.server)
                and self.views.job(saving[one.server], self._),
                "started": one.started.timestamp() if one.started else None,
            }
            for one in servers
        ]
        stopped = self.get_query_argument("done", "") == "stopped"
        stops = self.services.site.stops
        self.show("desktops.html", rows=rows, stopped=stopped, stops=stops)

    def _title(self, server: Server) -> str:
        """Return what a person calls a desktop; one of a namespace is named with it."""
        own = server.user == self.person.name
        return (
            server.name or self._("My desktop")
            if own
            else f"{server.user}/{server.name}"
        )

    @needs_scope(WRITE)
    async def post(self) -> None:
        """Stop one of them."""
        server = Server(self.person.name, self.get_body_argument("server"))
        await self.services.commits.stop(self.person, server)
        self.redirect(f"{self.services.prefix}desktops?done=stopped")


class SavePage(PageHandler):
    """Saving a desktop whose image has no button of its own."""

    @needs_scope(WRITE)
    async def get(self) -> None:
        """Show what would be saved and ask for a name."""
        await self._ask(self._server())

    @needs_scope(WRITE)
    async def post(self) -> None:
        """Begin the save and show the job; ask again, with what was typed, when it is refused."""
        server = self._server()
        request = CommitRequest(
            server=server,
            title=self.get_body_argument("title", ""),
            description=self.get_body_argument("description", ""),
            include_home=bool(self.get_body_argument("include_home", "")),
            exclude=(),
            stop_after=bool(self.get_body_argument("stop_after", "")),
            start_test=bool(self.get_body_argument("start_test", "")),
            activate=not self.get_body_argument("stage", ""),
        )
        try:
            job = await self.services.commits.start(self.person, request)
        except PublicError as error:
            self.set_status(status_of(error))
            await self._ask(server, request, public_error_view(error, self._))
            return
        self.services.reconciler.wake()
        self.redirect(f"{self.services.prefix}jobs/{job.id}")

    def _server(self) -> Server:
        """Return the desktop that is meant: the person's own, or one of a namespace."""
        user = self.get_argument("user", self.person.name)
        return Server(user, self.get_argument("server", ""))

    async def _ask(
        self,
        server: Server,
        given: CommitRequest | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        preview = await self.services.commits.preview(
            self.person, server, include_home=True, exclude=()
        )
        tests = self.services.start_tests.enabled
        self.show(
            "save.html",
            server=server,
            preview=preview,
            given=given,
            error=error,
            tests=tests,
        )


class JobPage(PageHandler):
    """A job with its live progress."""

    @needs_scope(READ)
    async def get(self, id: str) -> None:
        """Show a job."""
        job = require_own_job(self.person, self.services.jobs.get(id))
        self.show(
            "job.html",
            job=self.views.job(job, self._),
            mine=job.owner == self.person.name,
            log=job.kind in (BUILD, *TRIALS) or job.request.get("start_test"),
        )

    @needs_scope(WRITE)
    async def post(self, id: str) -> None:
        """Cancel a job."""
        job = require_own_job(self.person, self.services.jobs.get(id))
        if job.unfinished:
            self.services.jobs.cancel(self.person.name, id)
            self.services.reconciler.wake()
        self.redirect(f"{self.services.prefix}jobs/{id}")


class MissingPage(PageHandler):
    """Every other address."""

    async def get(self) -> None:
        """Say that there is no such page."""
        raise NotFound("page_not_found", sentence("There is no such page."))


default_handlers = [
    (r"", ImagesPage),
    (r"desktops", DesktopsPage),
    (r"save", SavePage),
    (r"jobs/([0-9a-f]{32})", JobPage),
    (r"api/.*", NothingHandler),
    (r".*", MissingPage),
]
