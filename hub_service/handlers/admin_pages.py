"""The administrators' pages: requests to publish, images, jobs, audit."""

from hub_service.errors import PublicError
from hub_service.handlers.base import ADMIN, needs_scope, status_of
from hub_service.handlers.pages import PageHandler
from hub_service.models import (
    CANCELLED,
    FAILED,
    JOB_KINDS,
    OPEN,
    SUCCEEDED,
    UNFINISHED,
    Act,
)
from hub_service.pages.audit import act_words, target_words
from hub_service.pages.views import public_error_view
from hub_service.rules.naming import image_path

ORDERS = {
    "newest": lambda image: -image.created.timestamp(),
    "size": lambda image: -image.bytes,
    "owner": lambda image: (image.owner, image.title.lower()),
    "started": lambda image: (image.last_started or image.created).timestamp(),
}
LIMIT = 1000
"""Images on one page: more are found by the search."""


class RequestsPage(PageHandler):
    """What waits for an answer."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List open requests, and those answered last."""
        requests = self.services.publishing.requests(self.person)
        self.show(
            "admin_requests.html",
            waiting=[one.to_dict() for one in requests if one.state == OPEN],
            answered=[one.to_dict() for one in requests if one.state != OPEN][:50],
        )


class RequestPage(PageHandler):
    """One request: what it is on one screen, and the answer."""

    @needs_scope(ADMIN)
    async def get(self, id: str) -> None:
        """Show a request."""
        self._show(id)

    @needs_scope(ADMIN)
    async def post(self, id: str) -> None:
        """Approve or refuse it; show it again, with what was typed, when that is not possible."""
        try:
            request = self.services.publishing.decide(
                self.person,
                int(id),
                self.get_body_argument("state"),
                self.get_body_argument("reason", ""),
            )
        except PublicError as error:
            self.set_status(status_of(error))
            self._show(id, public_error_view(error, self._))
            return
        self.services.published_changed()
        # Approved, but still open: it is being tried first, which this page shows.
        waits = request.state == OPEN
        self.redirect(
            f"{self.services.prefix}admin{f'/requests/{id}' if waits else ''}"
        )

    def _show(self, id: str, error: dict[str, object] | None = None) -> None:
        request = self.services.publishing.seen(self.person, int(id))
        version = request.image.version(request.number)
        test = self.services.publishing.test_of(request)
        self.show(
            "admin_request.html",
            request=request.to_dict(),
            picture=self.views.picture(request.image, version) if version else "",
            names=self.names_of(version) if version else {},
            findings=self.services.scans.shown(version) if version else [],
            scans=self.services.scans.enabled,
            test=self.views.job(test, self._) if test else None,
            approved=bool(test and test.request.get("approval")),
            image=self.views.image(request.image),
            error=error,
            reason=self.get_body_argument("reason", ""),
        )


class AdminImagesPage(PageHandler):
    """Everybody's images."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List images, with what they take."""
        query = self.get_query_argument("q", "")
        order = self.get_query_argument("order", "newest")
        page = self.services.catalogue.images_seen_by(
            self.person, query=query, limit=LIMIT
        )
        images = sorted(page.items, key=ORDERS.get(order, ORDERS["newest"]))
        rows = [
            {
                **self.views.image(image),
                "bytes": image.bytes,
            }
            for image in images
        ]
        self.show(
            "admin_images.html",
            images=rows,
            total=self.services.images.taken_by(images),
            query=query,
            order=order,
        )

    @needs_scope(ADMIN)
    async def post(self) -> None:
        """Publish or unpublish an image."""
        owner, name = self.get_body_argument("owner"), self.get_body_argument("name")
        changes: dict[str, object] = {"visibility": "private"}
        if self.get_body_argument("act") == "publish":
            # The version that was shown, not one that came since.
            changes = {"published_version": self.form_number("number")}
        images = self.services.images
        image = images.change(self.person, owner, name, changes)
        self.services.published_changed()
        test = images.test_of(image, changes.get("published_version"))
        page = f"jobs/{test.id}" if test else "admin/images"
        self.redirect(f"{self.services.prefix}{page}")


class AdminJobsPage(PageHandler):
    """Everybody's saves."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List jobs, newest first."""
        filters = {
            name: self.get_query_argument(name, "") for name in ("state", "kind")
        }
        query = self.get_query_argument("q", "")
        cursor = self.get_query_argument("cursor", "")
        jobs, following = self.services.jobs.latest(
            None, 100, query=query, cursor=cursor, **filters
        )
        self.show(
            "admin_jobs.html",
            jobs=[self.views.job(job, self._) for job in jobs],
            next=following,
            query=query,
            states=(*UNFINISHED, SUCCEEDED, FAILED, CANCELLED),
            kinds=JOB_KINDS,
            **filters,
        )


class AuditPage(PageHandler):
    """Who did what."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List acts, newest first."""
        query = self.get_query_argument("q", "")
        action = self.get_query_argument("action", "")
        acts, following = self.services.audit.latest(
            cursor=self.get_query_argument("cursor", ""), query=query, action=action
        )
        rows = [
            {
                **act.to_dict(),
                "page": page_of(act),
                "about": target_words(act, self._),
                "words": act_words(act, self._),
            }
            for act in acts
        ]
        self.show(
            "admin_audit.html",
            acts=rows,
            next=following,
            query=query,
            action=action,
            actions=self.services.audit.actions(),
        )


def page_of(act: Act) -> str:
    """Return the page of what an act was about."""
    kind, _, id = act.target.partition(":")
    pages = {"quota": "admin/people", "retention": f"admin/retention/{id}"}
    if kind in pages and act.action.startswith(f"{kind}."):
        return pages[kind]
    if act.action.startswith("spawn-page."):
        return "admin/order"
    if act.action.startswith("cleanup."):
        return "admin/storage"
    owner, _, rest = act.target.partition("/")
    return image_path(owner, rest.partition(":")[0])


default_handlers = [
    (r"admin", RequestsPage),
    (r"admin/requests/(\d{1,9})", RequestPage),
    (r"admin/images", AdminImagesPage),
    (r"admin/jobs", AdminJobsPage),
    (r"admin/audit", AuditPage),
]
