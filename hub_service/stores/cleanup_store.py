"""The repository of clean-ups."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_service.errors import Conflict, sentence
from hub_service.models import QUEUED, RUNNING, UNFINISHED, Cleanup
from hub_service.stores.orm import CleanupRow
from hub_service.stores.records import add_audit


class CleanupStore:
    """Keeps which clean-ups were asked for, and what became of them.

    - one at most is unfinished
    - while one is under way (running), the image store takes no changes
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, actor: str) -> Cleanup:
        """Record a clean-up, queued; Conflict when one is unfinished."""
        with Session(self._engine) as session, session.begin():
            open_one = select(CleanupRow.id).where(CleanupRow.state.in_(UNFINISHED))
            if session.scalar(open_one) is not None:
                raise Conflict(
                    "cleanup_under_way",
                    sentence("A clean-up is waiting or under way already."),
                )
            row = CleanupRow(state=QUEUED, asked_by=actor, created=datetime.now(UTC))
            session.add(row)
            add_audit(session, actor or "hub_service", "cleanup.ask", "image-store")
            session.flush()
            return _record(row)

    def update(self, id: int, **changes: Any) -> Cleanup:
        """Change some fields of a clean-up."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(CleanupRow, id)
            for key, value in changes.items():
                setattr(row, key, value)
            session.flush()
            return _record(row)

    def unfinished(self) -> Cleanup | None:
        """Return the clean-up that has no end yet."""
        statement = select(CleanupRow).where(CleanupRow.state.in_(UNFINISHED))
        with Session(self._engine) as session:
            row = session.scalar(statement)
            return _record(row) if row else None

    def under_way(self) -> bool:
        """Say whether the image store takes no changes just now."""
        statement = select(CleanupRow.id).where(CleanupRow.state == RUNNING)
        with Session(self._engine) as session:
            return session.scalar(statement) is not None

    def latest(self, limit: int = 20) -> list[Cleanup]:
        """Return clean-ups, newest first."""
        statement = select(CleanupRow).order_by(CleanupRow.id.desc()).limit(limit)
        with Session(self._engine) as session:
            return [_record(row) for row in session.scalars(statement)]


def _record(row: CleanupRow) -> Cleanup:
    return Cleanup(
        **{name: getattr(row, name) for name in Cleanup.__dataclass_fields__}
    )
