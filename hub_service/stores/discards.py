"""The repository of manifests that no version names any more, until the registry has lost them."""

from dataclasses import dataclass

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from hub_service.stores.orm import DiscardedRow, ImageRow, VersionRow


@dataclass(frozen=True)
class Discarded:
    """A manifest to be deleted."""

    id: int
    owner: str
    image: str
    digest: str


class Discards:
    """Keeps what is to be deleted; the catalogue adds to it with what it forgets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, owner: str, image: str, digest: str) -> None:
        """Have a manifest deleted that no version names."""
        with Session(self._engine) as session, session.begin():
            session.add(DiscardedRow(owner=owner, image=image, digest=digest))

    def waiting(self) -> list[Discarded]:
        """Return what is to be deleted, oldest first."""
        with Session(self._engine) as session:
            rows = session.scalars(select(DiscardedRow).order_by(DiscardedRow.id))
            return [Discarded(row.id, row.owner, row.image, row.digest) for row in rows]

    def named(self, one: Discarded) -> bool:
        """Say whether a version names it again: a save in which nothing had changed does."""
        statement = (
            select(VersionRow.id)
            .join(ImageRow, ImageRow.id == VersionRow.image_id)
            .where(ImageRow.owner == one.owner, ImageRow.name == one.image)
            .where(VersionRow.digest == one.digest)
        )
        with Session(self._engine) as session:
            return session.scalar(statement) is not None

    def forget(self, one: Discarded) -> None:
        """Strike one from the list."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(DiscardedRow).where(DiscardedRow.id == one.id))
