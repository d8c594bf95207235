"""The repository of quotas, and of what people keep."""

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from hub_service.orm import ImageRow, QuotaRow, VersionRow
from hub_service.quota import Quota, Usage
from hub_service.records import add_audit

_VERSIONS = func.count(VersionRow.id)
_BYTES = func.coalesce(func.sum(VersionRow.new_bytes), 0)


class QuotaStore:
    """Keeps the rules that administrators made; every change is written into the audit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[Quota]:
        """Return every rule, by kind and name."""
        statement = select(QuotaRow).order_by(QuotaRow.kind, QuotaRow.name)
        with Session(self._engine) as session:
            return [_record(row) for row in session.scalars(statement)]

    def put(self, actor: str, quota: Quota) -> None:
        """Make a rule, or change the one of that name."""
        with Session(self._engine) as session, session.begin():
            row = _find(session, quota.kind, quota.name)
            if row is None:
                row = QuotaRow(kind=quota.kind, name=quota.name)
                session.add(row)
            row.bytes, row.versions = quota.bytes, quota.versions
            details = {"bytes": quota.bytes, "versions": quota.versions}
            add_audit(
                session, actor, "quota.set", _target(quota.kind, quota.name), details
            )

    def remove(self, actor: str, kind: str, name: str) -> bool:
        """Forget a rule; False when there is none."""
        with Session(self._engine) as session, session.begin():
            row = _find(session, kind, name)
            if row is None:
                return False
            session.delete(row)
            add_audit(session, actor, "quota.remove", _target(kind, name))
            return True

    def usage(self, owner: str) -> Usage:
        """Return what a person keeps."""
        return self.usages(owner=owner).get(owner, Usage())

    def usages(self, *, owner: str = "", query: str = "") -> dict[str, Usage]:
        """Return what everybody keeps who has an image, the one with most bytes first."""
        statement = (
            select(
                ImageRow.owner, func.count(ImageRow.id.distinct()), _VERSIONS, _BYTES
            )
            .outerjoin(VersionRow, VersionRow.image_id == ImageRow.id)
            .group_by(ImageRow.owner)
            .order_by(_BYTES.desc(), ImageRow.owner)
        )
        if owner:
            statement = statement.where(ImageRow.owner == owner)
        if query:
            statement = statement.where(ImageRow.owner.contains(query, autoescape=True))
        with Session(self._engine) as session:
            rows = session.execute(statement).all()
        # PostgreSQL's sum of integers is a decimal number.
        return {
            name: Usage(images, count, int(size)) for name, images, count, size in rows
        }


def _find(session: Session, kind: str, name: str) -> QuotaRow | None:
    statement = select(QuotaRow).where(QuotaRow.kind == kind, QuotaRow.name == name)
    row: QuotaRow | None = session.scalar(statement)
    return row


def _record(row: QuotaRow) -> Quota:
    return Quota(row.kind, row.name, row.bytes, row.versions)


def _target(kind: str, name: str) -> str:
    return f"quota:{kind}/{name}"
