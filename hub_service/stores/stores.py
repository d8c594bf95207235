"""What keeps things: the repositories of the database, and the registry."""

from dataclasses import dataclass

from sqlalchemy import Engine

from hub_service.clients.registry import ImageStore
from hub_service.stores.audit_log import AuditLog
from hub_service.stores.catalogue import Catalogue
from hub_service.stores.cleanup_store import CleanupStore
from hub_service.stores.contexts import Contexts
from hub_service.stores.discards import Discards
from hub_service.stores.job_store import JobStore
from hub_service.stores.log_store import LogStore
from hub_service.stores.picture_store import PictureStore
from hub_service.stores.publication_store import PublicationStore
from hub_service.stores.quota_store import QuotaStore
from hub_service.stores.quotas import Quotas
from hub_service.stores.recording import Recording
from hub_service.stores.retention_store import RetentionStore
from hub_service.stores.scan_store import ScanStore


@dataclass(frozen=True)
class Stores:
    """The repositories, each made once."""

    catalogue: Catalogue
    jobs: JobStore
    logs: LogStore
    pictures: PictureStore
    scan_reports: ScanStore
    audit: AuditLog
    requests: PublicationStore
    quotas: Quotas
    retention_plans: RetentionStore
    cleanup_store: CleanupStore
    discards: Discards
    store: ImageStore
    contexts: Contexts
    recording: Recording

    @classmethod
    def open(cls, engine: Engine, store: ImageStore) -> "Stores":
        """Make them around a database and a registry."""
        catalogue, jobs = Catalogue(engine), JobStore(engine)
        discards = Discards(engine)
        return cls(
            catalogue=catalogue,
            jobs=jobs,
            logs=LogStore(engine),
            pictures=PictureStore(engine),
            scan_reports=ScanStore(engine),
            audit=AuditLog(engine),
            requests=PublicationStore(engine),
            quotas=Quotas(QuotaStore(engine), catalogue, jobs),
            retention_plans=RetentionStore(engine),
            cleanup_store=CleanupStore(engine),
            discards=discards,
            store=store,
            contexts=Contexts(store),
            recording=Recording(catalogue, discards, store),
        )
