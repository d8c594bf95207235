"""The repository of jobs."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from hub_service.models import QUEUED, UNFINISHED, Job, Server
from hub_service.orm import JobRow

_COLUMNS = [field.name for field in fields(Job) if field.name != "server"]


class JobStore:
    """Keeps jobs, so that they survive a restart of hub_service."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        *,
        kind: str,
        id: str,
        owner: str,
        server: Server,
        image: str,
        title: str,
        number: int,
        request: dict[str, Any],
    ) -> Job:
        """Record a new job, queued."""
        row = JobRow(
            id=id,
            kind=kind,
            state=QUEUED,
            owner=owner,
            server_user=server.user,
            server_name=server.name,
            image=image,
            title=title,
            number=number,
            request=request,
            progress={},
            error=None,
            result=None,
            attempts=0,
            silent_since=None,
            cancel=False,
            created=datetime.now(UTC),
            started=None,
            ended=None,
        )
        with Session(self._engine) as session, session.begin():
            session.add(row)
            session.flush()
            return _job(row)

    def get(self, id: str) -> Job | None:
        """Return one job, or None."""
        with Session(self._engine) as session:
            row = session.get(JobRow, id)
            return _job(row) if row else None

    def update(self, id: str, **changes: Any) -> Job:
        """Change some fields of a job."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(JobRow, id)
            for key, value in changes.items():
                setattr(row, key, value)
            session.flush()
            return _job(row)

    def unfinished(self) -> list[Job]:
        """Return the jobs that have no end yet, oldest first."""
        statement = (
            select(JobRow).where(JobRow.state.in_(UNFINISHED)).order_by(JobRow.created)
        )
        with Session(self._engine) as session:
            return [_job(row) for row in session.scalars(statement)]

    def latest(self, owner: str | None, limit: int = 50) -> list[Job]:
        """Return the newest jobs of a person, or of everybody (None)."""
        statement = select(JobRow).order_by(JobRow.created.desc()).limit(limit)
        if owner is not None:
            statement = statement.where(JobRow.owner == owner)
        with Session(self._engine) as session:
            return [_job(row) for row in session.scalars(statement)]

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        statement = select(JobRow.state, func.count(JobRow.id)).group_by(JobRow.state)
        with Session(self._engine) as session:
            return {state: number for state, number in session.execute(statement)}


def _job(row: JobRow) -> Job:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return Job(server=Server(row.server_user, row.server_name), **values)
