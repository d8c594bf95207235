"""What the handlers need, made once in app.py."""

from dataclasses import dataclass

from hub_service.audit_log import AuditLog
from hub_service.catalogue import Catalogue
from hub_service.commits import Commits
from hub_service.events import JobFeed
from hub_service.hub_client import HubClient
from hub_service.images import Images
from hub_service.job_store import JobStore
from hub_service.metrics import Metrics
from hub_service.openapi import Contract
from hub_service.publishing import Publishing
from hub_service.reconciler import Reconciler
from hub_service.registry import ImageStore


@dataclass(frozen=True)
class Services:
    """The objects of one running hub_service."""

    catalogue: Catalogue
    jobs: JobStore
    images: Images
    publishing: Publishing
    audit: AuditLog
    commits: Commits
    reconciler: Reconciler
    feed: JobFeed
    hub: HubClient
    store: ImageStore
    metrics: Metrics
    contract: Contract
    hub_prefix: str
    """Where people see the hub: /hub/."""
    prefix: str
    """Where people see this service: /services/desktops/."""
    cookie_secret: bytes
    """Signs the cookies of the pages."""
