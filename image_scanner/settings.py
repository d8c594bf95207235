"""What the Job says of one scan, and where the steps leave things for one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """One scan."""

    reference: str
    """What is scanned: repository and digest, as a pod starts it."""
    work: Path = Path("/work")
    """What the steps share."""
    registry_host: str = ""
    """The host of references that means our own registry."""
    registry_url: str = ""
    """Where our own registry is, for programs in the cluster."""
    plain_http: tuple[str, ...] = ()
    """Other registries without TLS."""
    pull_secret: Path | None = None
    """What the nodes pull with: a docker configuration."""
    disk: int = 20 << 30
    """Bytes that the image may take, packed and unpacked each."""
    seconds: float = 1200.0
    """What one program may take."""
    database: Path = Path("/work/database")
    """The folder of grype's database."""
    database_url: str = ""
    """Where a new one is asked for; empty = it lies in its folder already."""
    database_days: float = 5.0
    """How old it may be."""

    @property
    def image(self) -> Path:
        """The image, as an OCI layout."""
        return self.work / "image"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the variables; a container has those of its own step alone."""
        secret = environment.get("PULL_SECRET", "")
        return cls(
            reference=environment.get("REFERENCE", ""),
            work=Path(environment.get("WORK", "/work")),
            registry_host=environment.get("REGISTRY_HOST", ""),
            registry_url=environment.get("REGISTRY_URL", ""),
            plain_http=tuple(environment.get("PLAIN_HTTP", "").split()),
            pull_secret=Path(secret) if secret else None,
            disk=int(environment.get("DISK_MEBIBYTES", "20480")) * MEBIBYTE,
            seconds=float(environment.get("SCAN_SECONDS", "1200")),
            database=Path(environment.get("DATABASE", "/work/database")),
            database_url=environment.get("DATABASE_URL", ""),
            database_days=float(environment.get("DATABASE_DAYS", "5")),
        )
