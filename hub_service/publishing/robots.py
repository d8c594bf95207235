"""What a pipeline has pushed becomes a version of an image that the hub itself owns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub_service.clients.pushed_images import PushedImage, PushedImages
from hub_service.errors import Forbidden, NotFound, sentence
from hub_service.models import PUBLISHED, TRIALS, Image, Job, Version
from hub_service.publishing.publication_tests import PublicationTests
from hub_service.rules.naming import checked_description, checked_name, checked_title
from hub_service.stores.stores import Stores

WAITING, PASSED, KEPT = "waiting", "passed", "kept"


@dataclass(frozen=True)
class Publication:
    """Where a version of the hub's own stands."""

    image: Image
    version: Version
    state: str
    """published, waiting (for its start-test or its scan), passed, or kept: it was not passed."""
    job: Job | None
    """What it waits for, or what ended last."""
    error: dict[str, Any] | None = None
    """Why it was not passed, or what failed although it was."""


class Robots:
    """The use-case of a pipeline that publishes.

    - what is published is a digest, as the registry had it when it was asked
    - the same image again is the same version; so a step that broke off may be repeated, and an
      older image may be published again
    - a new image is in Kubeflow's form as well, where there is one; an administrator may take it
      out
    - it is published after its start-test and its scan, as any other; until then, and when it
      does not pass, everybody goes on with the version before
    - one that is staged is tried and scanned as well, and published when it is asked for again
    """

    def __init__(
        self,
        stores: Stores,
        pushed: PushedImages,
        trials: PublicationTests,
        changed: Callable[[], None],
        owner: str,
    ) -> None:
        """`changed` is called when something else is published; `owner` has the images."""
        self._catalogue = stores.catalogue
        self._jobs = stores.jobs
        self._pushed = pushed
        self._trials = trials
        self._changed = changed
        self._owner = owner

    async def publish(
        self, actor: str, owner: str, name: str, asked: dict[str, Any]
    ) -> Publication:
        """Record what was pushed, unless it is known, and publish it when it passes."""
        self._require_hubs(owner)
        checked_name(name)
        title = checked_title(asked.get("title") or name)
        note = checked_description(asked.get("note", ""))
        found = await self._pushed.find(asked["reference"])
        # From here on nothing is awaited: two pipelines never get the same number.
        image, version = self._recorded(name, title, note, found)
        stage = asked.get("stage", False)
        # What was pushed before, and is being tried still, must not come after it; what is staged
        # takes back no more than that it was to be published itself.
        self._trials.withdraw(image, version.number if stage else None)
        if image.published != version.number:
            self._offer(actor, image, version, stage)
        return self.state(owner, name, version.number)

    def state(self, owner: str, name: str, number: int) -> Publication:
        """Return how far a version of the hub's own is."""
        # Of what others own it is not told whether it exists.
        image = self._catalogue.image(owner, name) if owner == self._owner else None
        version = image.version(number) if image else None
        if image is None or version is None:
            raise NotFound(
                "version_not_found",
                sentence("This image has no version {number}."),
                number=number,
            )
        if image.visibility == PUBLISHED and image.published == number:
            return Publication(image, version, PUBLISHED, None)
        job = self._last_trial(owner, name, number)
        if job and job.unfinished:
            return Publication(image, version, WAITING, job)
        if self._trials.passed(version):
            return Publication(image, version, PASSED, job, job.error if job else None)
        error = job.error if job else None
        if not error and (problem := self._trials.problem(version)):
            error = problem.to_dict()
        return Publication(image, version, KEPT, job, error)

    def _offer(self, actor: str, image: Image, version: Version, stage: bool) -> None:
        if self._trials.needed(version) and not self._trials.passed_lately(version):
            approval = None if stage else {"by": actor, "activate": True}
            self._trials.ask(image, version.number, approval)
            self._changed()
            return
        self._trials.require_allowed(version)
        if not stage:
            changes = {"published": version.number, "active": version.number}
            self._catalogue.change(
                actor, image.owner, image.name, visibility=PUBLISHED, **changes
            )
            self._changed()

    def _recorded(
        self, name: str, title: str, note: str, found: PushedImage
    ) -> tuple[Image, Version]:
        image = self._catalogue.image(self._owner, name)
        for known in image.versions if image else ():
            if image and known.digest == found.digest:
                return image, known
        number = self._catalogue.last_number(self._owner, name) + 1
        version = _version(number, note, found)
        image = self._catalogue.add_version(
            self._owner, name, title, version, activate=False, kubeflow=True
        )
        return image, version

    def _last_trial(self, owner: str, name: str, number: int) -> Job | None:
        jobs, _ = self._jobs.latest(owner)
        for job in jobs:
            if job.kind in TRIALS and (job.image, job.number) == (name, number):
                return job
        return None

    def _require_hubs(self, owner: str) -> None:
        if owner != self._owner:
            raise Forbidden(
                "not_the_hubs",
                sentence(
                    "A pipeline publishes images of {owner} alone: name it {owner}/NAME."
                ),
                owner=self._owner,
            )


def _version(number: int, note: str, found: PushedImage) -> Version:
    size = sum(layer.size for layer in found.layers)
    source = {"name": found.name, "digest": found.digest}
    layers = {str(layer.digest): layer.size for layer in found.layers}
    return Version(
        number=number,
        digest=found.digest,
        reference=found.reference,
        note=note,
        created=datetime.now(UTC),
        size=size,
        new_bytes=size,
        layers=len(found.layers),
        base=source,
        origin=source,
        details={"new_layers": layers},
    )
