"""The repository of what scans found."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_service.stores.orm import ImageRow, ScanReportRow, VersionRow


class ScanStore:
    """Keeps findings and SBOM by the digest of what was scanned, and the figures with the version.

    The lists of images never read the former.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(
        self, digest: str, findings: Sequence[Mapping[str, Any]], sbom: bytes | None
    ) -> None:
        """Keep a report in place of an earlier one."""
        row = ScanReportRow(digest=digest, findings=list(findings), sbom=sbom)
        with Session(self._engine) as session, session.begin():
            session.merge(row)

    def note(
        self, owner: str, name: str, number: int, summary: Mapping[str, Any]
    ) -> None:
        """Write down the figures of a version's last scan."""
        statement = (
            select(VersionRow)
            .join(ImageRow, ImageRow.id == VersionRow.image_id)
            .where(ImageRow.owner == owner, ImageRow.name == name)
            .where(VersionRow.number == number)
        )
        with Session(self._engine) as session, session.begin():
            row = session.scalar(statement)
            if row:
                row.scan = dict(summary)

    def findings(self, digest: str) -> list[dict[str, Any]]:
        """Return the findings in what has this digest; none where none were kept."""
        statement = select(ScanReportRow.findings).where(ScanReportRow.digest == digest)
        with Session(self._engine) as session:
            return session.scalar(statement) or []

    def sbom(self, digest: str) -> bytes | None:
        """Return the SBOM of what has this digest, packed with gzip; None = none is kept."""
        statement = select(ScanReportRow.sbom).where(ScanReportRow.digest == digest)
        with Session(self._engine) as session:
            return session.scalar(statement)
