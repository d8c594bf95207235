"""The repository of what the retention rule names, and of its dry runs."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from hub_service.models import OPEN
from hub_service.rules.lineage import layers_kept
from hub_service.rules.retention_plan import DELETED, Candidate, Item, Key, Plan
from hub_service.stores.orm import ImageRow, PublicationRow, RetentionRow, VersionRow
from hub_service.stores.records import add_audit


class RetentionStore:
    """Finds versions that nobody has started for long, and keeps the dry runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def candidates(self, before: datetime) -> list[Candidate]:
        """Return versions whose last start was before a moment, by owner, name and number.

        - one that was never started counts from when it was made
        - one that another program offered counts from the end of that: what runs there is not
          known here
        - never the active or the published version, nor one that waits to be published
        """
        with Session(self._engine) as session:
            rows = session.execute(_candidates(before)).all()
        return [_candidate(image, version) for image, version in rows]

    def note_offered(self, references: Collection[str]) -> None:
        """Write down that another program offers these versions now."""
        now = datetime.now(UTC)
        # Days count: not every look has to be written down.
        stale = or_(
            VersionRow.offered_elsewhere.is_(None),
            VersionRow.offered_elsewhere < now - timedelta(hours=1),
        )
        statement = (
            update(VersionRow)
            .where(VersionRow.reference.in_(references), stale)
            .values(offered_elsewhere=now)
        )
        with Session(self._engine) as session, session.begin():
            session.execute(statement)

    def layers(self) -> dict[Key, dict[str, int]]:
        """Return of every version the layers it brought and those it stands on."""
        columns = (ImageRow.owner, ImageRow.name, VersionRow.number, VersionRow.digest)
        sizes = (VersionRow.new_bytes, VersionRow.new_layers, VersionRow.layers_below)
        statement = select(*columns, *sizes).join(
            ImageRow, ImageRow.id == VersionRow.image_id
        )
        with Session(self._engine) as session:
            return {
                (owner, name, number): {**below, **layers_kept(own, digest, size)}
                for owner, name, number, digest, size, own, below in session.execute(
                    statement
                )
            }

    def add(self, actor: str, days: int, items: Sequence[Item]) -> Plan:
        """Keep what a dry run showed."""
        with Session(self._engine) as session, session.begin():
            row = RetentionRow(
                days=days,
                made=datetime.now(UTC),
                made_by=actor,
                items=_kept(items),
                ran=None,
                ran_by="",
            )
            session.add(row)
            session.flush()
            found = {"days": days, "versions": len(items)}
            found["bytes"] = sum(item.bytes for item in items)
            add_audit(session, actor, "retention.dry-run", f"retention:{row.id}", found)
            return _record(row)

    def get(self, id: int) -> Plan | None:
        """Return a dry run, or None."""
        with Session(self._engine) as session:
            row = session.get(RetentionRow, id)
            return _record(row) if row else None

    def latest(self, limit: int = 20) -> list[Plan]:
        """Return dry runs, newest first."""
        statement = select(RetentionRow).order_by(RetentionRow.id.desc()).limit(limit)
        with Session(self._engine) as session:
            return [_record(row) for row in session.scalars(statement)]

    def keep(self, id: int, items: Sequence[Item]) -> None:
        """Write down how far a run is."""
        with Session(self._engine) as session, session.begin():
            session.get_one(RetentionRow, id).items = _kept(items)

    def finish(self, actor: str, id: int, items: Sequence[Item]) -> Plan:
        """Write down that a run is done, and by whom."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(RetentionRow, id)
            row.items, row.ran, row.ran_by = _kept(items), datetime.now(UTC), actor
            deleted = [item for item in items if item.state == DELETED]
            found = {
                "days": row.days,
                "deleted": len(deleted),
                "kept": len(items) - len(deleted),
                "bytes": sum(item.bytes for item in deleted),
            }
            add_audit(session, actor, "retention.run", f"retention:{id}", found)
            return _record(row)


def _candidates(before: datetime) -> Select[ImageRow, VersionRow]:
    waits = exists().where(
        PublicationRow.image_id == ImageRow.id,
        PublicationRow.number == VersionRow.number,
        PublicationRow.state == OPEN,
    )
    differs = [
        or_(column.is_(None), column != VersionRow.number)
        for column in (ImageRow.active, ImageRow.published)
    ]
    last = func.coalesce(VersionRow.last_started, VersionRow.created)
    elsewhere = VersionRow.offered_elsewhere
    return (
        select(ImageRow, VersionRow)
        .join(VersionRow, VersionRow.image_id == ImageRow.id)
        .where(and_(*differs), ~waits, last < before)
        .where(or_(elsewhere.is_(None), elsewhere < before))
        .order_by(ImageRow.owner, ImageRow.name, VersionRow.number)
    )


def _candidate(image: ImageRow, version: VersionRow) -> Candidate:
    return Candidate(
        owner=image.owner,
        name=image.name,
        title=image.title,
        number=version.number,
        digest=version.digest,
        reference=version.reference,
        created=version.created,
        last_started=version.last_started,
    )


def _kept(items: Sequence[Item]) -> dict[str, Any]:
    return {"items": [asdict(item) for item in items]}


def _record(row: RetentionRow) -> Plan:
    return Plan(
        id=row.id,
        days=row.days,
        made=row.made,
        made_by=row.made_by,
        ran=row.ran,
        ran_by=row.ran_by,
        items=tuple(Item(**one) for one in row.items["items"]),
    )
