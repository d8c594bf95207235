"""Turns rows into records, and writes the audit: what the repositories share."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session, selectinload

from hub_service.models import Image, Version
from hub_service.rules.lineage import Lineage, begun, continued
from hub_service.stores.orm import (
    AuditRow,
    DiscardedRow,
    ImageRow,
    PictureRow,
    ScanReportRow,
    VersionRow,
)


def find_image(session: Session, owner: str, name: str) -> ImageRow | None:
    """Return an image's row with everything that belongs to it."""
    statement = select(ImageRow).where(ImageRow.owner == owner, ImageRow.name == name)
    row: ImageRow | None = session.scalar(whole(statement))
    return row


def whole(statement: Any) -> Any:
    """Let a query of images fetch shares and versions in one round each."""
    return statement.options(
        selectinload(ImageRow.shares), selectinload(ImageRow.versions)
    )


def number_of(text: str) -> int | None:
    """Return the number that a cursor or an event's id means; None for what never was one."""
    # 18 digits fit the 64 bits that a database has for a number.
    fits = text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if fits else None


def add_audit(
    session: Session,
    actor: str,
    action: str,
    target: str,
    details: dict[str, Any] | None = None,
) -> None:
    """Write who did what, in the transaction that does it."""
    moment = datetime.now(UTC)
    session.add(
        AuditRow(
            at=moment, actor=actor, action=action, target=target, details=details or {}
        )
    )


def drop_unused(session: Session) -> None:
    """Forget the pictures and the reports that no version has any more."""
    session.flush()
    for row in (PictureRow, ScanReportRow):
        used = exists().where(VersionRow.digest == row.digest)
        session.execute(delete(row).where(~used))


def discard(session: Session, image: ImageRow, versions: Iterable[VersionRow]) -> None:
    """Have the manifests of versions deleted that no other version of the image names."""
    left = {version.digest for version in image.versions}
    for digest in sorted({version.digest for version in versions} - left):
        session.add(DiscardedRow(owner=image.owner, image=image.name, digest=digest))


def version_row(version: Version, line: Lineage) -> VersionRow:
    """Return the row of a version that stands on a line of others."""
    return VersionRow(
        **{name: getattr(version, name) for name in Version.__dataclass_fields__},
        ancestors=list(line.ancestors),
        since_root=line.packages,
        new_layers=line.new_layers,
        layers_below=line.layers_below,
    )


def lineage_record(row: VersionRow) -> Lineage:
    """Return the line of a version.

    One that was recorded before lines were written down has its nearest image alone.
    """
    if row.ancestors:
        return Lineage(
            tuple(row.ancestors), row.since_root, row.new_layers, row.layers_below
        )
    return begun(_version(row))


def lineage_of(session: Session, version: Version) -> Lineage:
    """Return the line of a new version by what is known of the one it was made from."""
    digest = version.base.get("digest") or ""
    statement = select(VersionRow).where(VersionRow.digest == digest).limit(1)
    below = session.scalar(statement) if digest else None
    return continued(version, lineage_record(below)) if below else begun(version)


def image_record(row: ImageRow) -> Image:
    """Return an image with its versions."""
    return Image(
        owner=row.owner,
        name=row.name,
        title=row.title,
        description=row.description,
        visibility=row.visibility,
        active=row.active,
        published=row.published,
        kubeflow=row.kubeflow,
        created=row.created,
        icon=row.icon,
        tags=tuple(row.tags.split("\n")) if row.tags else (),
        position=row.position,
        limits=row.limits,
        last_started=row.last_started,
        shared_users=frozenset(
            share.name for share in row.shares if share.kind == "user"
        ),
        shared_groups=frozenset(
            share.name for share in row.shares if share.kind == "group"
        ),
        versions=tuple(_version(one) for one in row.versions),
    )


def _version(row: VersionRow) -> Version:
    return Version(
        **{name: getattr(row, name) for name in Version.__dataclass_fields__}
    )
