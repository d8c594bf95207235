"""The repository of requests to publish an image."""

from datetime import UTC, datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_service.errors import Conflict, sentence
from hub_service.models import APPROVED, OPEN, PUBLISHED, PublicationRequest
from hub_service.stores.orm import ImageRow, PublicationRow
from hub_service.stores.records import add_audit, find_image, image_record


class PublicationStore:
    """Keeps who asked that everybody may start which version, and what was answered.

    - an image has one open request at most
    - a request is answered once; approving it publishes the version in the same transaction
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self, actor: str, owner: str, name: str, number: int, note: str
    ) -> PublicationRequest:
        """Record a request; Conflict when the image has an open one."""
        with Session(self._engine) as session, session.begin():
            image = find_image(session, owner, name)
            if image is None:
                raise Conflict(
                    "image_gone", sentence("This image was deleted meanwhile.")
                )
            fits = (PublicationRow.image_id == image.id, PublicationRow.state == OPEN)
            if session.scalar(select(PublicationRow.id).where(*fits)) is not None:
                raise Conflict(
                    "request_open",
                    sentence(
                        "An administrator was asked already, and has not answered yet."
                    ),
                )
            row = PublicationRow(
                image=image,
                number=number,
                note=note,
                state=OPEN,
                asked=datetime.now(UTC),
                decided=None,
                decided_by="",
                reason="",
            )
            session.add(row)
            add_audit(session, actor, "publication.ask", f"{owner}/{name}:{number}")
            session.flush()
            return _record(row)

    def get(self, id: int) -> PublicationRequest | None:
        """Return one request, or None."""
        with Session(self._engine) as session:
            row = session.get(PublicationRow, id)
            return _record(row) if row else None

    def latest(
        self,
        *,
        owner: str | None = None,
        name: str = "",
        state: str = "",
        limit: int = 200,
    ) -> list[PublicationRequest]:
        """Return requests, newest first: of an owner or an image, in a state."""
        statement = select(PublicationRow).join(ImageRow)
        if owner is not None:
            statement = statement.where(ImageRow.owner == owner)
        if name:
            statement = statement.where(ImageRow.name == name)
        if state:
            statement = statement.where(PublicationRow.state == state)
        with Session(self._engine) as session:
            rows = session.scalars(
                statement.order_by(PublicationRow.id.desc()).limit(limit)
            )
            return [_record(row) for row in rows]

    def decide(
        self, actor: str, id: int, state: str, reason: str
    ) -> PublicationRequest:
        """Answer a request; Conflict when it was answered before, or its version is gone."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(PublicationRow, id)
            if row.state != OPEN:
                raise Conflict(
                    "request_decided",
                    sentence("{who} has answered this request already."),
                    who=row.decided_by,
                )
            if state == APPROVED:
                if all(version.number != row.number for version in row.image.versions):
                    raise Conflict(
                        "version_gone", sentence("This version was deleted meanwhile.")
                    )
                row.image.visibility, row.image.published = PUBLISHED, row.number
            row.state, row.reason = state, reason
            row.decided, row.decided_by = datetime.now(UTC), actor
            target = f"{row.image.owner}/{row.image.name}:{row.number}"
            add_audit(
                session, actor, f"publication.{state}", target, {"reason": reason}
            )
            session.flush()
            return _record(row)


def _record(row: PublicationRow) -> PublicationRequest:
    return PublicationRequest(
        id=row.id,
        image=image_record(row.image),
        number=row.number,
        note=row.note,
        state=row.state,
        asked=row.asked,
        decided=row.decided,
        decided_by=row.decided_by,
        reason=row.reason,
    )
