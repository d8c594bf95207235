"""Puts the objects of a running hub_service together, as its settings say."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine

from hub_service.building.builds import Builds, BuildSettings
from hub_service.clients.agent import AgentClient
from hub_service.clients.config_maps import ConfigMaps
from hub_service.clients.deployments import Deployments
from hub_service.clients.kube import Cluster
from hub_service.clients.pushed_images import PushedImages
from hub_service.clients.registry import ImageStore
from hub_service.clients.site import Site
from hub_service.clients.workloads import Workloads
from hub_service.commits import Commits
from hub_service.images.images import Images
from hub_service.images.picture_links import PictureLinks
from hub_service.jobs.events import JobFeed
from hub_service.jobs.follower import BuildFollower
from hub_service.jobs.pod_step import PodSettings
from hub_service.metrics import Metrics
from hub_service.models import BUILD, COMMIT, SCAN, START_TEST, TRIALS, Job
from hub_service.openapi import Contract
from hub_service.publishing.kubeflow import Kubeflow, KubeflowSettings
from hub_service.publishing.prepulling import Prepulling
from hub_service.publishing.publication_tests import PublicationTests
from hub_service.publishing.publishing import Publishing
from hub_service.publishing.rescans import Rescans
from hub_service.publishing.robots import Robots
from hub_service.reconciler import Reconciler
from hub_service.rules.scan_policy import ScanPolicy
from hub_service.scans.scans import Scans, ScanSettings
from hub_service.services import Services
from hub_service.settings import ServiceSettings
from hub_service.start_tests.finishing import Finishing
from hub_service.start_tests.start_tests import StartTests
from hub_service.starting import Starting
from hub_service.storage.cleanups import Cleanups, CleanupSettings
from hub_service.storage.deletions import Deletions
from hub_service.storage.retention import Retention
from hub_service.stores.stores import Stores
from oci.auth import Credentials
from oci.client import RegistryClient


@dataclass(frozen=True)
class Place:
    """Where the service is: what runs there, and where people see it."""

    site: Site
    prefix: str
    hub_prefix: str
    secret: bytes
    """Signs cookies and links."""


class Assembly:
    """What everything is built around: the settings, and what talks to the outside."""

    def __init__(
        self,
        settings: ServiceSettings,
        engine: Engine,
        http: httpx.AsyncClient,
        cluster: Cluster,
    ) -> None:
        self._settings = settings
        self._http = http
        self._cluster = cluster
        self._stores = Stores.open(engine, self._image_store())
        self._feed, self._metrics = JobFeed(), Metrics()
        self._workloads = Workloads(cluster.api_client, namespace=settings.namespace)
        self._agents = AgentClient(http, Path(settings.agent_token_file))
        self._kubeflow = self._make_kubeflow()
        self._prepulling = Prepulling(
            self._stores, cluster, self._agents, interval=settings.prepull_interval
        )

    def services(self, place: Place) -> Services:
        """Build the service's objects."""
        stores, site = self._stores, place.site
        follower = BuildFollower(self._workloads, stores.logs, self._feed)
        tests = self._start_tests(follower)
        finishing = Finishing(stores, tests)
        scans = self._scans(follower)
        trials = PublicationTests(stores, tests, scans)
        commits = self._commits(site, finishing)
        builds = self._builds(follower, finishing)
        uses = {COMMIT: commits, BUILD: builds, START_TEST: trials, SCAN: trials}
        deletions = Deletions(stores)
        images = Images(stores, trials, deletions.wake)
        reconciler = self._reconciler(uses, deletions)
        return Services(
            **vars(stores),
            images=images,
            retention=Retention(stores, images, site),
            publishing=Publishing(stores, trials),
            commits=commits,
            builds=builds,
            cleanups=self._cleanups(deletions),
            deletions=deletions,
            kubeflow=self._kubeflow,
            prepulling=self._prepulling,
            follower=follower,
            start_tests=tests,
            scans=scans,
            rescans=Rescans(stores, scans, trials, reconciler.wake),
            robots=self._robots(trials, reconciler),
            reconciler=reconciler,
            feed=self._feed,
            site=site,
            starting=Starting(images, site),
            metrics=self._metrics,
            contract=Contract(),
            hub_prefix=place.hub_prefix,
            prefix=place.prefix,
            picture_links=PictureLinks(place.prefix, place.secret),
            cookie_secret=place.secret,
        )

    def _commits(self, site: Site, finishing: Finishing) -> Commits:
        return Commits(self._stores, self._cluster, self._agents, site, finishing)

    def _reconciler(self, uses: dict[str, Any], deletions: Deletions) -> Reconciler:
        return Reconciler(
            jobs=self._stores.jobs,
            uses=uses,
            feed=self._feed,
            interval=self._settings.reconcile_interval,
            ended=self._ended,
            settled=deletions.wake,
        )

    def _ended(self, job: Job) -> None:
        self._metrics.job_ended(job)
        if job.kind in TRIALS:
            # It may have published what it tried.
            self._kubeflow.wake()
            self._prepulling.wake()

    def _cleanups(self, deletions: Deletions) -> Cleanups:
        settings = CleanupSettings(
            job=_template(self._settings.cleanup_template_file),
            registry=self._settings.registry_deployment,
            hour=self._settings.cleanup_hour,
            pause=self._settings.reconcile_interval,
        )
        deployments = Deployments(
            self._cluster.api_client, namespace=self._settings.namespace
        )
        return Cleanups(self._stores, self._workloads, deployments, deletions, settings)

    def _make_kubeflow(self) -> Kubeflow:
        config_maps = None
        if namespace := self._settings.kubeflow_namespace:
            config_maps = ConfigMaps(self._cluster.api_client, namespace=namespace)
        settings = KubeflowSettings(
            config_map=self._settings.kubeflow_config_map,
            key=self._settings.kubeflow_key,
        )
        return Kubeflow(self._stores, config_maps, settings)

    def _builds(self, follower: BuildFollower, finishing: Finishing) -> Builds:
        settings = BuildSettings(
            template=_template(self._settings.build_template_file),
            bases=self._settings.build_bases,
            titles=self._settings.build_titles,
            running=self._settings.builds_running,
            waiting=self._settings.builds_waiting,
            waiting_in_all=self._settings.builds_waiting_in_all,
        )
        return Builds(self._stores, self._workloads, follower, finishing, settings)

    def _start_tests(self, follower: BuildFollower) -> StartTests:
        settings = PodSettings(
            template=_template(self._settings.start_test_template_file),
            running=self._settings.start_tests_running,
        )
        return StartTests(self._stores, self._workloads, follower, settings)

    def _robots(self, trials: PublicationTests, reconciler: Reconciler) -> Robots:
        settings, store = self._settings, self._stores.store
        pushed = PushedImages(
            self._http,
            store,
            registries=settings.publish_registries,
            plain_http=settings.plain_http_registries,
        )

        def changed() -> None:
            reconciler.wake()
            self._kubeflow.wake()
            self._prepulling.wake()

        return Robots(self._stores, pushed, trials, changed, settings.publish_owner)

    def _scans(self, follower: BuildFollower) -> Scans:
        settings = ScanSettings(
            template=_template(self._settings.scan_template_file),
            running=self._settings.scans_running,
            every=timedelta(hours=self._settings.scan_every_hours),
            policy=ScanPolicy.of(
                self._settings.scan_block, self._settings.scan_exceptions
            ),
        )
        return Scans(self._stores, self._workloads, follower, settings)

    def _image_store(self) -> ImageStore:
        settings, credentials = self._settings, None
        if settings.registry_username or settings.registry_password:
            credentials = Credentials(
                settings.registry_username, settings.registry_password
            )
        client = RegistryClient(
            settings.registry_url, self._http, credentials=credentials
        )
        return ImageStore(
            client, host=settings.registry_host, prefix=settings.registry_prefix
        )


def _template(file: str) -> dict[str, Any] | None:
    """Return what the chart has made, None where it made nothing."""
    return dict(json.loads(Path(file).read_text())) if file else None
