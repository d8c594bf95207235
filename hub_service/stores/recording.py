"""The end of every job that made an image: its version is known, or what it left is gone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub_service.clients.registry import ImageStore
from hub_service.errors import Conflict, sentence
from hub_service.models import Job, Version
from hub_service.stores.catalogue import Catalogue
from hub_service.stores.discards import Discards

DETAILS = (
    "packages",
    "biggest",
    "left_out",
    "changed_while_saved",
    "seconds",
    "changed_bytes",
    "entries",
    "peak_memory",
    "new_layers",
    "joined_layers",
)
"""What of a result is kept with the version."""


class Recording:
    """Writes versions into the catalogue."""

    def __init__(
        self, catalogue: Catalogue, discards: Discards, store: ImageStore
    ) -> None:
        self._catalogue = catalogue
        self._discards = discards
        self._store = store

    async def require_held(self, job: Job, digest: str) -> None:
        """Raise Conflict unless the registry really holds what a job sent to it."""
        if not await self._store.holds(job.owner, job.image, digest):
            raise Conflict(
                "version_missing",
                sentence(
                    "The image store does not hold what was sent to it. Nothing else was "
                    "changed. Try again."
                ),
                details={"digest": digest},
            )

    def record(
        self,
        job: Job,
        result: Mapping[str, Any],
        *,
        more: Mapping[str, Any] | None = None,
        activate: bool = True,
        start_test: dict[str, Any] | None = None,
    ) -> None:
        """Make the version known; one that is recorded already stays as it is."""
        details = {key: result[key] for key in DETAILS if key in result}
        version = Version(
            number=job.number,
            digest=result["digest"],
            reference=self._store.reference(job.owner, job.image, result["digest"]),
            note=job.request["description"],
            created=datetime.now(UTC),
            size=result["size"],
            new_bytes=result["new_bytes"],
            layers=result["layers"],
            base=result["base"],
            origin=result["origin"],
            details={**details, **(more or {})},
            start_test=start_test,
        )
        self._catalogue.add_version(
            job.owner, job.image, job.title, version, activate=activate
        )

    async def discard(self, job: Job) -> None:
        """Have deleted what a job that did not end well may have pushed.

        The tag is written last; a part that was lost right after that leaves a manifest in
        the registry that no version names. One that a version names too (nothing had
        changed) stays.
        """
        digest = await self._store.digest_of(job.owner, job.image, job.number)
        if digest:
            # Not at once: another job may have made the same, and be about to name it.
            self._discards.add(job.owner, job.image, digest)
