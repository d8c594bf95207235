"""The repository of the logs of builds."""

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from hub_service.stores.orm import LogRow


class LogStore:
    """Keeps logs whole, in parts, so that nothing of them is lost by a restart."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def length(self, job: str) -> int:
        """Return how many characters of a job's log are kept."""
        statement = select(func.max(LogRow.start + func.length(LogRow.text))).where(
            LogRow.job == job
        )
        with Session(self._engine) as session:
            return session.scalar(statement) or 0

    def append(self, job: str, start: int, text: str) -> None:
        """Keep a part that begins at that character."""
        with Session(self._engine) as session, session.begin():
            session.add(LogRow(job=job, start=start, text=text))

    def text(self, job: str, start: int = 0) -> str:
        """Return a log from that character on."""
        statement = (
            select(LogRow)
            .where(LogRow.job == job, LogRow.start + func.length(LogRow.text) > start)
            .order_by(LogRow.start)
        )
        with Session(self._engine) as session:
            parts = [
                row.text[max(0, start - row.start) :]
                for row in session.scalars(statement)
            ]
        return "".join(parts)
