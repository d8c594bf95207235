"""The repository of images and their versions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session

from hub_service.errors import Conflict, sentence
from hub_service.models import PRIVATE, PUBLISHED, SHARED, Image, Person, Version
from hub_service.rules.lineage import Lineage
from hub_service.stores.orm import ImageRow, ShareRow, VersionRow
from hub_service.stores.records import (
    add_audit,
    discard,
    drop_unused,
    find_image,
    image_record,
    lineage_of,
    lineage_record,
    number_of,
    version_row,
    whole,
)

_FIELDS = (
    *("title", "description", "visibility", "active", "published"),
    *("icon", "limits", "kubeflow"),
)


@dataclass(frozen=True)
class Page:
    """One page of a list, and where the next one begins (None: this was the last)."""

    items: tuple[Image, ...]
    next: str | None


@dataclass(frozen=True)
class Own:
    """An image of a person, as the next save or build may name it."""

    name: str
    title: str
    next_version: int

    def to_dict(self) -> dict[str, Any]:
        """Return the wire's form."""
        return {**vars(self)}


class Catalogue:
    """Keeps images, versions and who they are shared with.

    - every change is one transaction, written into the audit in the same transaction
    - a version's number is never used twice, also after the version was deleted; an image that
      was deleted whole begins anew
    - calls are short and local, so they run in the event loop as JupyterHub's own do
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def image(self, owner: str, name: str) -> Image | None:
        """Return one image, or None."""
        with Session(self._engine) as session:
            row = find_image(session, owner, name)
            return image_record(row) if row else None

    def images_seen_by(
        self,
        person: Person,
        *,
        query: str = "",
        owner: str = "",
        not_of: str = "",
        visibility: str = "",
        cursor: str = "",
        limit: int = 50,
        startable: bool = False,
    ) -> Page:
        """Return the images that a person may see (or start), newest first.

        - `cursor` is a page's `next`; images made meanwhile never appear twice
        - `startable` leaves out what an administrator sees only as such, and empty images
        """
        conditions = [_seen_by(person, startable), _matches(query)]
        conditions += [ImageRow.owner == owner] if owner else []
        conditions += [ImageRow.owner != not_of] if not_of else []
        conditions += [ImageRow.visibility == visibility] if visibility else []
        conditions += [ImageRow.active.is_not(None)] if startable else []
        before = number_of(cursor)
        conditions += [ImageRow.id < before] if before is not None else []
        statement = select(ImageRow).where(*conditions).order_by(ImageRow.id.desc())
        with Session(self._engine) as session:
            rows = session.scalars(whole(statement).limit(limit + 1)).all()
            following = str(rows[limit - 1].id) if len(rows) > limit else None
            return Page(tuple(image_record(row) for row in rows[:limit]), following)

    def images_with(self, digests: Collection[str]) -> list[Image]:
        """Return the images that have a version with one of these digests, oldest first."""
        named = ImageRow.versions.any(VersionRow.digest.in_(digests))
        statement = select(ImageRow).where(named).order_by(ImageRow.id)
        with Session(self._engine) as session:
            return [image_record(row) for row in session.scalars(whole(statement))]

    def add_version(
        self,
        owner: str,
        name: str,
        title: str,
        version: Version,
        *,
        activate: bool = True,
        kubeflow: bool = False,
    ) -> Image:
        """Record a version, and make it the active one; the image is made when it is new.

        A new one that is for Kubeflow is in its form as soon as it is published.

        Recording the same digest under the same number again changes nothing, so a job
        that was interrupted just here can do it again.
        """
        with Session(self._engine) as session, session.begin():
            row = find_image(session, owner, name)
            if row is None:
                row = _add_image(session, owner, name, title)
                row.kubeflow = kubeflow
            known = next(
                (one for one in row.versions if one.number == version.number), None
            )
            if known and known.digest != version.digest:
                raise Conflict(
                    "version_exists",
                    sentence(
                        "Version {number} exists already. Save again to make a new one."
                    ),
                    number=version.number,
                )
            if not known:
                line = lineage_of(session, version)
                row.versions.insert(0, version_row(version, line))
            if activate:
                row.active = version.number
            row.last_number = max(row.last_number, version.number)
            add_audit(session, owner, "version.add", f"{owner}/{name}:{version.number}")
            session.flush()
            return image_record(row)

    def targets(self, owner: str) -> list[Own]:
        """Return all images of an owner, newest first, as a save or a build may name them."""
        columns = (ImageRow.name, ImageRow.title, ImageRow.last_number)
        statement = select(*columns).where(ImageRow.owner == owner)
        with Session(self._engine) as session:
            rows = session.execute(statement.order_by(ImageRow.id.desc()))
            return [Own(name, title, last + 1) for name, title, last in rows]

    def published(self) -> list[Image]:
        """Return what everybody may start."""
        statement = select(ImageRow).where(ImageRow.visibility == PUBLISHED)
        with Session(self._engine) as session:
            rows = session.scalars(whole(statement.order_by(ImageRow.title)))
            return [image_record(row) for row in rows]

    def last_number(self, owner: str, name: str) -> int:
        """Return the highest number that a version of this image ever had; 0 = none."""
        with Session(self._engine) as session:
            row = find_image(session, owner, name)
            return row.last_number if row else 0

    def change(self, actor: str, owner: str, name: str, **changes: Any) -> Image:
        """Change some of an image's fields: those of _FIELDS, shared_users, shared_groups."""
        with Session(self._engine) as session, session.begin():
            row = _require(session, owner, name)
            for key in _FIELDS:
                if key in changes:
                    setattr(row, key, changes[key])
            if "tags" in changes:
                row.tags = "\n".join(changes["tags"])
            for key, kind in (("shared_users", "user"), ("shared_groups", "group")):
                if key in changes:
                    _share(row, kind, changes[key])
            session.flush()
            add_audit(
                session, actor, "image.change", f"{owner}/{name}", _plain(changes)
            )
            return image_record(row)

    def set_start_test(
        self, owner: str, name: str, number: int, found: Mapping[str, Any]
    ) -> None:
        """Write down how the last start-test of a version ended."""
        with Session(self._engine) as session, session.begin():
            row = _require(session, owner, name)
            for version in row.versions:
                if version.number == number:
                    version.start_test = dict(found)

    def remove_version(self, actor: str, owner: str, name: str, number: int) -> None:
        """Forget a version that is not the active one; its manifest is to be deleted."""
        with Session(self._engine) as session, session.begin():
            row = _require(session, owner, name)
            going = [one for one in row.versions if one.number == number]
            row.versions = [one for one in row.versions if one.number != number]
            discard(session, row, going)
            drop_unused(session)
            add_audit(session, actor, "version.delete", f"{owner}/{name}:{number}")

    def remove_image(self, actor: str, owner: str, name: str) -> None:
        """Forget an image and all its versions; their manifests are to be deleted."""
        with Session(self._engine) as session, session.begin():
            row = _require(session, owner, name)
            going, row.versions = list(row.versions), []
            discard(session, row, going)
            session.delete(row)
            drop_unused(session)
            add_audit(session, actor, "image.delete", f"{owner}/{name}")

    def lineage(self, owner: str, name: str, number: int) -> Lineage | None:
        """Return what a version stands on; None when there is no such version."""
        statement = (
            select(VersionRow)
            .join(ImageRow, ImageRow.id == VersionRow.image_id)
            .where(ImageRow.owner == owner, ImageRow.name == name)
            .where(VersionRow.number == number)
        )
        with Session(self._engine) as session:
            row = session.scalar(statement)
            return lineage_record(row) if row else None

    def note_start(self, owner: str, name: str, number: int) -> bool:
        """Write down that a version starts now; False when there is no such version."""
        now = datetime.now(UTC)
        with Session(self._engine) as session, session.begin():
            row = find_image(session, owner, name)
            known = [one for one in row.versions if one.number == number] if row else []
            if row is None or not known:
                return False
            row.last_started = known[0].last_started = now
            return True

    def arrange(self, actor: str, order: Sequence[tuple[str, str]]) -> None:
        """Put images first on the spawn page, in this order; the others have no place."""
        with Session(self._engine) as session, session.begin():
            placed = {
                (one.owner, one.name): one
                for one in session.scalars(
                    select(ImageRow).where(
                        or_(
                            ImageRow.position.is_not(None),
                            ImageRow.visibility == PUBLISHED,
                        )
                    )
                )
            }
            for row in placed.values():
                row.position = None
            for position, (owner, name) in enumerate(order, start=1):
                row = placed.get((owner, name)) or _require(session, owner, name)
                row.position = position
            named = [f"{owner}/{name}" for owner, name in order]
            add_audit(
                session, actor, "spawn-page.arrange", "spawn-page", {"order": named}
            )

    def totals(self) -> tuple[int, int]:
        """Return the number of images and of versions."""
        with Session(self._engine) as session:
            images = session.scalar(select(func.count(ImageRow.id))) or 0
            return images, session.scalar(select(func.count(VersionRow.id))) or 0


def _require(session: Session, owner: str, name: str) -> ImageRow:
    row = find_image(session, owner, name)
    if row is None:
        raise Conflict("image_gone", sentence("This image was deleted meanwhile."))
    return row


def _seen_by(person: Person, startable: bool) -> ColumnElement[bool]:
    if person.admin and not startable:
        return ImageRow.id.is_not(None)
    shared = exists().where(
        ShareRow.image_id == ImageRow.id,
        or_(
            and_(ShareRow.kind == "user", ShareRow.name == person.name),
            and_(ShareRow.kind == "group", ShareRow.name.in_(person.groups or [""])),
        ),
    )
    return or_(
        ImageRow.owner == person.name,
        ImageRow.visibility == PUBLISHED,
        and_(ImageRow.visibility == SHARED, shared) if person.name else false(),
    )


def _matches(query: str) -> ColumnElement[bool]:
    words = [f"%{_literal(word)}%" for word in query.split()]
    looks = (ImageRow.title, ImageRow.description, ImageRow.tags)
    fields = (*looks, ImageRow.owner, ImageRow.name)
    return and_(
        ImageRow.id.is_not(None),
        *[or_(*[field.ilike(word, escape="\\") for field in fields]) for word in words],
    )


def _literal(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _add_image(session: Session, owner: str, name: str, title: str) -> ImageRow:
    row = ImageRow(
        owner=owner,
        name=name,
        title=title,
        description="",
        visibility=PRIVATE,
        active=None,
        published=None,
        kubeflow=False,
        last_number=0,
        created=datetime.now(UTC),
        icon="desktop",
        tags="",
        position=None,
        limits={},
        last_started=None,
    )
    session.add(row)
    return row


def _share(row: ImageRow, kind: str, names: Iterable[str]) -> None:
    wanted = set(names)
    row.shares = [
        share for share in row.shares if share.kind != kind or share.name in wanted
    ]
    known = {share.name for share in row.shares if share.kind == kind}
    row.shares += [ShareRow(kind=kind, name=name) for name in sorted(wanted - known)]


def _plain(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        key: sorted(value) if isinstance(value, (set, frozenset)) else value
        for key, value in changes.items()
    }
