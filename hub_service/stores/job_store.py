"""The repository of jobs."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select
from sqlalchemy.orm import Session

from hub_service.models import QUEUED, UNFINISHED, Job, Server
from hub_service.stores.orm import JobRow
from hub_service.stores.records import add_audit

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
            settled=False,
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

    def unsettled(self) -> list[Job]:
        """Return the jobs that have ended, but not all that belongs to their end is done."""
        statement = (
            select(JobRow)
            .where(JobRow.settled.is_(False), JobRow.state.not_in(UNFINISHED))
            .order_by(JobRow.created)
        )
        with Session(self._engine) as session:
            return [_job(row) for row in session.scalars(statement)]

    def open(self) -> list[Job]:
        """Return the unfinished and the unsettled jobs, oldest first."""
        return sorted(
            [*self.unfinished(), *self.unsettled()], key=lambda job: job.created
        )

    def cancel(self, actor: str, id: str) -> Job:
        """Ask for a job's end, and write down who did."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(JobRow, id)
            row.cancel = True
            target = f"{row.owner}/{row.image}:{row.number}"
            add_audit(session, actor, "job.cancel", target, {"job": id})
            session.flush()
            return _job(row)

    def latest(
        self,
        owner: str | None,
        limit: int = 50,
        *,
        query: str = "",
        state: str = "",
        kind: str = "",
        cursor: str = "",
    ) -> tuple[list[Job], str | None]:
        """Return the newest jobs of a person or of everybody (None), and where others begin.

        `query` is an owner, or a part of an image's title.
        """
        newest = (JobRow.created.desc(), JobRow.id.desc())
        statement = select(JobRow).order_by(*newest).limit(limit + 1)
        statement = statement.where(*_filters(owner, query, state, kind))
        with Session(self._engine) as session:
            last = session.get(JobRow, cursor) if cursor else None
            if last:
                earlier = JobRow.created < last.created
                same = (JobRow.created == last.created) & (JobRow.id < last.id)
                statement = statement.where(earlier | same)
            jobs = [_job(row) for row in session.scalars(statement)]
        following = jobs[limit - 1].id if len(jobs) > limit else None
        return jobs[:limit], following

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        statement = select(JobRow.state, func.count(JobRow.id)).group_by(JobRow.state)
        with Session(self._engine) as session:
            return {state: number for state, number in session.execute(statement)}


def _filters(
    owner: str | None, query: str, state: str, kind: str
) -> list[ColumnElement[bool]]:
    found = [] if owner is None else [JobRow.owner == owner]
    if query:
        title = func.lower(JobRow.title).contains(query.lower(), autoescape=True)
        found.append(title | (JobRow.owner == query))
    found += [JobRow.state == state] if state else []
    found += [JobRow.kind == kind] if kind else []
    return found


def _job(row: JobRow) -> Job:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return Job(server=Server(row.server_user, row.server_name), **values)
