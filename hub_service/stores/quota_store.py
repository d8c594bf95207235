"""The repository of quotas, and of what people keep."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_service.rules.lineage import layers_kept
from hub_service.rules.quota import Quota, Usage
from hub_service.stores.orm import ImageRow, QuotaRow, VersionRow
from hub_service.stores.records import add_audit


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
        """Return what everybody keeps who has an image, the one with most bytes first.

        A layer that several versions of a person brought is counted once: saves of one session
        share what did not change between them. Layers below a person's versions count too, unless
        a version of somebody else brings them: who deletes the large one keeps what stands on it.
        """
        columns = (VersionRow.digest, VersionRow.new_bytes, VersionRow.new_layers)
        below = (VersionRow.layers_below, VersionRow.ancestors)
        statement = select(ImageRow.owner, ImageRow.id, *columns, *below).outerjoin(
            VersionRow, VersionRow.image_id == ImageRow.id
        )
        if owner:
            statement = statement.where(ImageRow.owner == owner)
        if query:
            statement = statement.where(ImageRow.owner.contains(query, autoescape=True))
        found: dict[str, _Kept] = defaultdict(_Kept)
        with Session(self._engine) as session:
            for name, image, digest, size, layers, under, line in session.execute(
                statement
            ):
                found[name].add(image, digest, size, layers)
                found[name].stand_on(under or {}, line or ())
            _take_out_others(session, found)
        usages = [(name, kept.usage()) for name, kept in found.items()]
        return dict(sorted(usages, key=lambda pair: (-pair[1].bytes, pair[0])))


class _Kept:
    """Adds up what one person keeps."""

    def __init__(self) -> None:
        self._images: set[int] = set()
        self._versions = 0
        self._layers: dict[str, int] = {}
        self._below: dict[str, int] = {}
        self.ancestors: set[str] = set()

    def add(self, image: int, digest: str | None, size: int, layers: Any) -> None:
        """Count an image, and a version of it; None when it has none."""
        self._images.add(image)
        if digest is not None:
            self._versions += 1
            self._layers.update(layers_kept(layers, digest, size))

    def stand_on(self, layers: Mapping[str, int], ancestors: Iterable[str]) -> None:
        """Count what a version stands on, too."""
        self._below.update(layers)
        self.ancestors.update(ancestors)

    def take_out(self, layers: Iterable[str]) -> None:
        """Leave out what somebody else keeps anyway."""
        for one in layers:
            self._below.pop(one, None)

    def usage(self) -> Usage:
        """Return the sum."""
        layers = {**self._below, **self._layers}
        return Usage(len(self._images), self._versions, sum(layers.values()))


def _take_out_others(session: Session, found: Mapping[str, _Kept]) -> None:
    """Let nobody pay for the layers of others' versions that they stand on."""
    lines = {digest for kept in found.values() for digest in kept.ancestors}
    columns = (ImageRow.owner, VersionRow.digest, VersionRow.new_bytes)
    statement = select(*columns, VersionRow.new_layers).join(
        VersionRow, VersionRow.image_id == ImageRow.id
    )
    rows = session.execute(statement.where(VersionRow.digest.in_(lines)))
    for owner, digest, size, layers in rows:
        for name, kept in found.items():
            if name != owner and digest in kept.ancestors:
                kept.take_out(layers_kept(layers, digest, size))


def _find(session: Session, kind: str, name: str) -> QuotaRow | None:
    statement = select(QuotaRow).where(QuotaRow.kind == kind, QuotaRow.name == name)
    row: QuotaRow | None = session.scalar(statement)
    return row


def _record(row: QuotaRow) -> Quota:
    return Quota(row.kind, row.name, row.bytes, row.versions)


def _target(kind: str, name: str) -> str:
    return f"quota:{kind}/{name}"
