"""Whether a person may keep one version more, and who decides that."""

from hub_service.errors import NotFound, sentence
from hub_service.models import BUILD, COMMIT, Job, Person
from hub_service.rules.quota import (
    Allowance,
    Quota,
    checked,
    deciding,
    most_generous,
    require_room,
)
from hub_service.stores.catalogue import Catalogue
from hub_service.stores.job_store import JobStore
from hub_service.stores.quota_store import QuotaStore


class Quotas:
    """Knows what a person may keep, counting what is under way."""

    def __init__(self, store: QuotaStore, catalogue: Catalogue, jobs: JobStore) -> None:
        self.store = store
        self._catalogue = catalogue
        self._jobs = jobs

    def allowance(self, person: Person) -> Allowance:
        """Return what a person keeps and may keep."""
        rules = deciding(person, self.store.all())
        coming = [
            job
            for job in self._jobs.unfinished()
            if job.owner == person.name and self._coming(job)
        ]
        return Allowance(
            usage=self.store.usage(person.name),
            bytes=most_generous(rule.bytes for rule in rules),
            versions=most_generous(rule.versions for rule in rules),
            rules=rules,
            coming_bytes=sum(job.request.get("bytes") or 0 for job in coming),
            coming_versions=len(coming),
        )

    def require_room(
        self, person: Person, kind: str, needed_bytes: int = 0
    ) -> int | None:
        """Return the bytes that are left beside a version of that size; None = no limit.

        Raise Conflict, with the figures, when it does not fit.
        """
        allowance = self.allowance(person)
        require_room(allowance, kind, needed_bytes)
        free = allowance.free_bytes
        return None if free is None else free - needed_bytes

    def put(self, actor: Person, quota: Quota) -> Quota:
        """Make or change a rule."""
        self.store.put(actor.name, checked(quota))
        return quota

    def remove(self, actor: Person, kind: str, name: str) -> None:
        """Forget a rule."""
        if not self.store.remove(actor.name, kind, name):
            raise NotFound(
                "quota_not_found", sentence("There is no quota of that name.")
            )

    def _coming(self, job: Job) -> bool:
        """Say whether a job will make a version that is not counted yet."""
        if job.kind not in (COMMIT, BUILD):
            return False
        image = self._catalogue.image(job.owner, job.image)
        return image is None or image.version(job.number) is None
