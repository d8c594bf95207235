"""The tables of the catalogue."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment that is UTC on every database; SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Store the moment as UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Read the moment as UTC."""
        if value is None or value.tzinfo:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """What all tables have in common."""

    type_annotation_map = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
        str: String(255),
        int: BigInteger().with_variant(Integer, "sqlite"),
    }


class ImageRow(Base):
    """An image; `last_number` never goes back, so that no version's number is used twice."""

    __tablename__ = "images"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    title: Mapped[str]
    description: Mapped[str] = mapped_column(String(4000))
    visibility: Mapped[str] = mapped_column(String(20))
    active: Mapped[int | None]
    published: Mapped[int | None]
    kubeflow: Mapped[bool]
    last_number: Mapped[int]
    created: Mapped[datetime]
    icon: Mapped[str] = mapped_column(String(40))
    tags: Mapped[str] = mapped_column(String(600))
    """One a line: the search looks into it as into any text."""
    position: Mapped[int | None]
    limits: Mapped[dict[str, Any]]
    last_started: Mapped[datetime | None]
    shares: Mapped[list["ShareRow"]] = relationship(cascade="all, delete-orphan")
    versions: Mapped[list["VersionRow"]] = relationship(
        cascade="all, delete-orphan", order_by="VersionRow.number.desc()"
    )


class ShareRow(Base):
    """One user or group with whom an image is shared."""

    __tablename__ = "shares"
    __table_args__ = (UniqueConstraint("image_id", "kind", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(index=True)


class VersionRow(Base):
    """One immutable version of an image."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("image_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    number: Mapped[int]
    digest: Mapped[str] = mapped_column(index=True)
    reference: Mapped[str] = mapped_column(String(600))
    note: Mapped[str] = mapped_column(String(4000))
    created: Mapped[datetime]
    size: Mapped[int]
    new_bytes: Mapped[int]
    layers: Mapped[int]
    base: Mapped[dict[str, Any]]
    origin: Mapped[dict[str, Any]]
    details: Mapped[dict[str, Any]]
    last_started: Mapped[datetime | None]
    offered_elsewhere: Mapped[datetime | None]
    """Until when another program (Kubeflow) offered it: what that one runs, nobody here knows."""
    ancestors: Mapped[list[str]] = mapped_column(deferred=True)
    """Digests of what it stands on, nearest first; the last is the first image that is known."""
    since_root: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    """Packages against that first image; lists of images never read them."""
    new_layers: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    """Digest and compressed bytes of what it brought; versions of one session share some."""
    layers_below: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    """The same of those that it stands on, down to the first image."""
    start_test: Mapped[dict[str, Any] | None]
    scan: Mapped[dict[str, Any] | None]


class PublicationRow(Base):
    """Somebody's request that everybody may start a version of their image."""

    __tablename__ = "publication_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), index=True
    )
    number: Mapped[int]
    note: Mapped[str] = mapped_column(String(4000))
    state: Mapped[str] = mapped_column(String(20), index=True)
    asked: Mapped[datetime]
    decided: Mapped[datetime | None]
    decided_by: Mapped[str]
    reason: Mapped[str] = mapped_column(String(4000))
    image: Mapped[ImageRow] = relationship()


class JobRow(Base):
    """A job, finished or not."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), index=True)
    owner: Mapped[str] = mapped_column(index=True)
    server_user: Mapped[str]
    server_name: Mapped[str]
    image: Mapped[str]
    title: Mapped[str]
    number: Mapped[int]
    request: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any]]
    error: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    attempts: Mapped[int]
    silent_since: Mapped[datetime | None]
    cancel: Mapped[bool]
    created: Mapped[datetime] = mapped_column(index=True)
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    settled: Mapped[bool] = mapped_column(index=True)


class DiscardedRow(Base):
    """A manifest that no version names any more and that the registry may still have."""

    __tablename__ = "discarded"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    image: Mapped[str]
    digest: Mapped[str]


class LogRow(Base):
    """A part of a job's log; `start` is the number of characters before it."""

    __tablename__ = "job_logs"

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(
        String(40), ForeignKey("jobs.id", ondelete="CASCADE"), index=True
    )
    start: Mapped[int]
    text: Mapped[str] = mapped_column(Text)


class CleanupRow(Base):
    """A clean-up of the image store."""

    __tablename__ = "cleanups"

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    asked_by: Mapped[str]
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    bytes_before: Mapped[int | None]
    bytes_after: Mapped[int | None]
    error: Mapped[dict[str, Any] | None]


class PictureRow(Base):
    """What a version looked like when it was tried."""

    __tablename__ = "pictures"

    digest: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str] = mapped_column(String(40))
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ScanReportRow(Base):
    """What a scan found in a version, and what is in it (CycloneDX in JSON, packed)."""

    __tablename__ = "scan_reports"

    digest: Mapped[str] = mapped_column(primary_key=True)
    findings: Mapped[list[dict[str, Any]]]
    sbom: Mapped[bytes | None] = mapped_column(LargeBinary)


class QuotaRow(Base):
    """How much a user, each member of a group, or everybody may keep; null = no limit."""

    __tablename__ = "quotas"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str]
    bytes: Mapped[int | None]
    versions: Mapped[int | None]


class RetentionRow(Base):
    """What a dry run of the retention rule showed, and what became of it."""

    __tablename__ = "retention_plans"

    id: Mapped[int] = mapped_column(primary_key=True)
    days: Mapped[int]
    made: Mapped[datetime]
    made_by: Mapped[str]
    items: Mapped[dict[str, Any]]
    ran: Mapped[datetime | None]
    ran_by: Mapped[str]


class AuditRow(Base):
    """Who did what to which image, and when; rows are only ever added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(String(600))
    details: Mapped[dict[str, Any]]
