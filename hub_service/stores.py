"""What keeps things: the repositories of the database, and the registry."""

from dataclasses import dataclass

from sqlalchemy import Engine

from hub_service.audit_log import AuditLog
from hub_service.catalogue import Catalogue
from hub_service.cleanup_store import CleanupStore
from hub_service.contexts import Contexts
from hub_service.job_store import JobStore
from hub_service.log_store import LogStore
from hub_service.picture_store import PictureStore
from hub_service.publication_store import PublicationStore
from hub_service.recording import Recording
from hub_service.registry import ImageStore


@dataclass(frozen=True)
class Stores:
    """The repositories, each made once."""

    catalogue: Catalogue
    jobs: JobStore
    logs: LogStore
    pictures: PictureStore
    audit: AuditLog
    requests: PublicationStore
    cleanup_store: CleanupStore
    store: ImageStore
    contexts: Contexts
    recording: Recording

    @classmethod
    def open(cls, engine: Engine, store: ImageStore) -> "Stores":
        """Make them around a database and a registry."""
        catalogue = Catalogue(engine)
        return cls(
            catalogue=catalogue,
            jobs=JobStore(engine),
            logs=LogStore(engine),
            pictures=PictureStore(engine),
            audit=AuditLog(engine),
            requests=PublicationStore(engine),
            cleanup_store=CleanupStore(engine),
            store=store,
            contexts=Contexts(store),
            recording=Recording(catalogue, store),
        )
