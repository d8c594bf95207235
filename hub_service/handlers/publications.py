"""Requests to publish an image, and their answers."""

from hub_service.errors import BadRequest, sentence
from hub_service.handlers.base import ADMIN, READ, WRITE, ApiHandler, needs_scope
from hub_service.handlers.images import API, IMAGE
from hub_service.models import DECISIONS, OPEN, PublicationRequest

STATES = (OPEN, *DECISIONS)


class PublicationHandler(ApiHandler):
    """Speaks of requests."""

    def view(self, request: PublicationRequest) -> dict[str, object]:
        """Return a request's wire form, with the links of its image."""
        image = self.views.image(request.image)
        test = self.services.publishing.test_of(request)
        return {
            **request.to_dict(),
            "image": image,
            "start_test": test.id if test else None,
        }


class AskHandler(PublicationHandler):
    """Asking that everybody may start an image."""

    @needs_scope(WRITE)
    async def post(self, owner: str, name: str) -> None:
        """Ask for the active version or another one."""
        body = self.body("PublicationAsk")
        request = self.services.publishing.ask(
            self.person, owner, name, body.get("version"), body.get("note", "")
        )
        self.services.reconciler.wake()
        self.send(self.view(request), status=201)


class RequestsHandler(PublicationHandler):
    """The requests that a person may see."""

    @needs_scope(READ)
    async def get(self) -> None:
        """List requests, newest first."""
        state = self.get_query_argument("state", "")
        if state and state not in STATES:
            raise BadRequest(
                "invalid_request",
                sentence("{value} is no state: choose open, approved or refused."),
                value=state,
            )
        items = self.services.publishing.requests(self.person, state)
        self.send({"items": [self.view(one) for one in items], "next": None})


class RequestHandler(PublicationHandler):
    """One request."""

    @needs_scope(ADMIN)
    async def patch(self, id: str) -> None:
        """Approve or refuse it."""
        body = self.body("PublicationDecision")
        request = self.services.publishing.decide(
            self.person, int(id), body["state"], body.get("reason", "")
        )
        self.services.published_changed()
        # Approved, but still open: it is being tried first.
        waits = request.state == OPEN
        self.send(self.view(request), status=202 if waits else 200)


class AuditHandler(ApiHandler):
    """Who did what to which image."""

    @needs_scope(ADMIN)
    async def get(self) -> None:
        """List acts, newest first, a page at a time."""
        acts, following = self.services.audit.latest(
            cursor=self.get_query_argument("cursor", ""),
            query=self.get_query_argument("q", ""),
            action=self.get_query_argument("action", ""),
        )
        self.send({"items": [act.to_dict() for act in acts], "next": following})


default_handlers = [
    (rf"{IMAGE}/publication-requests", AskHandler),
    (rf"{API}/publication-requests", RequestsHandler),
    (rf"{API}/publication-requests/(\d{{1,9}})", RequestHandler),
    (rf"{API}/audit", AuditHandler),
]
