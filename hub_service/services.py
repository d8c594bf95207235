"""What the handlers need, made once in assembly.py."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from hub_service.building.builds import Builds
from hub_service.clients.site import Site
from hub_service.commits import Commits
from hub_service.images.images import Images
from hub_service.images.origins import Origins
from hub_service.images.picture_links import PictureLinks
from hub_service.jobs.events import JobFeed
from hub_service.jobs.follower import BuildFollower
from hub_service.metrics import Metrics
from hub_service.openapi import Contract
from hub_service.publishing.kubeflow import Kubeflow
from hub_service.publishing.prepulling import Prepulling
from hub_service.publishing.publishing import Publishing
from hub_service.publishing.rescans import Rescans
from hub_service.publishing.robots import Robots
from hub_service.reconciler import Reconciler
from hub_service.scans.scans import Scans
from hub_service.start_tests.start_tests import StartTests
from hub_service.starting import Starting
from hub_service.storage.cleanups import Cleanups
from hub_service.storage.deletions import Deletions
from hub_service.storage.retention import Retention
from hub_service.stores.stores import Stores


@dataclass(frozen=True)
class Services(Stores):
    """The objects of one running hub_service."""

    images: Images
    publishing: Publishing
    retention: Retention
    commits: Commits
    builds: Builds
    cleanups: Cleanups
    deletions: Deletions
    kubeflow: Kubeflow
    prepulling: Prepulling
    follower: BuildFollower
    start_tests: StartTests
    scans: Scans
    rescans: Rescans
    robots: Robots
    reconciler: Reconciler
    feed: JobFeed
    site: Site
    starting: Starting
    metrics: Metrics
    contract: Contract
    hub_prefix: str
    """Where people see the hub: /hub/; empty = there is none."""
    prefix: str
    """Where people see this service: /services/desktops/."""
    picture_links: PictureLinks
    cookie_secret: bytes
    """Signs the cookies of the pages."""

    @property
    def origins(self) -> Origins:
        """Knows what people call the images that something was started from."""
        settings = self.builds.settings
        return Origins(self.catalogue, settings.bases, settings.choices)

    def published_changed(self) -> None:
        """Let those know who follow what everybody may start, and who tries it first."""
        self.reconciler.wake()
        self.kubeflow.wake()
        self.prepulling.wake()
        self.rescans.wake()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Return what runs beside the server, each until it is cancelled."""
        return [
            self.reconciler.run(),
            self.cleanups.run(),
            self.deletions.run(),
            self.kubeflow.run(),
            self.prepulling.run(),
            self.rescans.run(),
        ]
