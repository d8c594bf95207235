"""What everybody may start: asked for by owners, decided by administrators."""

from hub_service.errors import BadRequest, Conflict, NotFound, sentence
from hub_service.models import (
    APPROVED,
    DECISIONS,
    OPEN,
    REFUSED,
    Job,
    Person,
    PublicationRequest,
)
from hub_service.publishing.publication_tests import PublicationTests
from hub_service.rules.naming import checked_description
from hub_service.rules.policy import require_changed_by, require_publisher, require_seen
from hub_service.stores.stores import Stores


class Publishing:
    """The use-cases of a request to publish.

    - what is published is one version: a later save changes nothing for others before an
      administrator has seen it
    - its desktop was seen to come up, and it was scanned: when it was asked for, or before it is
      published
    - whoever asked sees the answer and its reason
    """

    def __init__(self, stores: Stores, tests: PublicationTests) -> None:
        self._catalogue = stores.catalogue
        self._requests = stores.requests
        self._tests = tests

    def ask(
        self, person: Person, owner: str, name: str, number: int | None, note: str
    ) -> PublicationRequest:
        """Ask that everybody may start a version: the active one unless another is named."""
        image = require_seen(person, self._catalogue.image(owner, name), owner, name)
        require_changed_by(person, image)
        wanted = image.active if number is None else number
        version = image.version(wanted) if wanted is not None else None
        if wanted is None or version is None:
            raise NotFound(
                "version_not_found",
                sentence("This image has no version {number}."),
                number=wanted,
            )
        if wanted == image.published:
            raise Conflict(
                "already_published",
                sentence("Everybody can start version {number} already."),
                number=wanted,
            )
        request = self._requests.add(
            person.name, owner, name, wanted, checked_description(note)
        )
        if self._tests.needed(version):
            # So that whoever answers sees what it looks like.
            self._tests.ask(image, wanted)
        return request

    def requests(self, person: Person, state: str = "") -> list[PublicationRequest]:
        """Return a person's requests; administrators see everybody's."""
        owner = None if person.admin else person.name
        return self._requests.latest(owner=owner, state=state)

    def of_image(self, owner: str, name: str) -> PublicationRequest | None:
        """Return the newest request of an image."""
        return next(iter(self._requests.latest(owner=owner, name=name, limit=1)), None)

    def seen(self, person: Person, id: int) -> PublicationRequest:
        """Return a request of one's own, or any for an administrator."""
        request = self._requests.get(id)
        if request is None or not (person.admin or request.image.owner == person.name):
            raise NotFound(
                "request_not_found",
                sentence("There is no such request, or it is not yours."),
            )
        return request

    def decide(
        self, person: Person, id: int, state: str, reason: str
    ) -> PublicationRequest:
        """Approve or refuse a request; a refusal needs a reason, since its owner reads it.

        One that is approved before it was tried stays open until it has passed.
        """
        require_publisher(person)
        request = self.seen(person, id)
        if state not in DECISIONS:
            raise BadRequest(
                "invalid_request",
                sentence(
                    "A request is answered with approved or refused, not {state}."
                ),
                state=state,
            )
        words = checked_description(reason)
        if state == REFUSED and not words.strip():
            raise BadRequest(
                "reason_missing",
                sentence("Say why, so that the owner knows what to change."),
            )
        version = request.image.version(request.number)
        waits = request.state == OPEN and version and self._tests.needed(version)
        if state == APPROVED and waits:
            approval = {"by": person.name, "request": id, "reason": words}
            self._tests.ask(request.image, request.number, approval)
            return request
        if state == APPROVED and version:
            self._tests.require_allowed(version)
        return self._requests.decide(person.name, id, state, words)

    def test_of(self, request: PublicationRequest) -> Job | None:
        """Return the start-test of a request's version that is under way."""
        image = request.image
        return self._tests.of(image.owner, image.name, request.number)
