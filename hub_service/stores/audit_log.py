"""The repository of the audit: read only, since others write it with what they change."""

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_service.models import Act
from hub_service.stores.orm import AuditRow
from hub_service.stores.records import number_of


class AuditLog:
    """Reads who did what to which image."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(
        self, *, cursor: str = "", query: str = "", action: str = "", limit: int = 100
    ) -> tuple[list[Act], str | None]:
        """Return acts, newest first, and where the next page begins.

        `query` is an actor, or a part of an image's path; `action` is what was done.
        """
        statement = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit + 1)
        before = number_of(cursor)
        if before is not None:
            statement = statement.where(AuditRow.id < before)
        if query:
            fits = AuditRow.target.contains(query, autoescape=True)
            statement = statement.where(fits | (AuditRow.actor == query))
        if action:
            statement = statement.where(AuditRow.action == action)
        with Session(self._engine) as session:
            rows = session.scalars(statement).all()
        following = str(rows[limit - 1].id) if len(rows) > limit else None
        return [_act(row) for row in rows[:limit]], following

    def actions(self) -> list[str]:
        """Return every kind of act that there is."""
        statement = select(AuditRow.action).distinct().order_by(AuditRow.action)
        with Session(self._engine) as session:
            return list(session.scalars(statement))


def _act(row: AuditRow) -> Act:
    return Act(row.id, row.at, row.actor, row.action, row.target, row.details)
