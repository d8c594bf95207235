"""Image references and digests: read, checked, written. Pure: no I/O."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from .errors import InvalidReference

DOCKER_HOST = "docker.io"

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_REPOSITORY = re.compile(
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?")


class Digest(str):
    """A checked digest such as `sha256:<64 hex>`; a plain string in every other respect.

    - the algorithm is one that Python can verify;
    - the hexadecimal part is lower case and of the right length.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Digest:
        algorithm, _, value = text.partition(":")
        length = _HEX_LENGTH.get(algorithm)
        if length is None or re.fullmatch(rf"[0-9a-f]{{{length}}}", value) is None:
            raise InvalidReference(f"{text[:100]!r} is not a sha256 or sha512 digest")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The sha256 digest of `data`."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]


@dataclass(frozen=True)
class Reference:
    """Where an image is: host, repository, and a tag, a digest or both.

    - `Reference.parse` reads what people and containerd write, Docker Hub's short forms included;
    - `str()` gives the full form, and parsing that gives the same reference again.
    """

    host: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if _HOST.fullmatch(self.host) is None:
            raise InvalidReference(f"{self.host[:100]!r} is not a registry host")
        if _REPOSITORY.fullmatch(self.repository) is None or len(self.repository) > 255:
            raise InvalidReference(f"{self.repository[:100]!r} is not a repository")
        if self.tag is not None and _TAG.fullmatch(self.tag) is None:
            raise InvalidReference(f"{self.tag[:100]!r} is not a tag")

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `[host/]repository[:tag][@digest]`; without a host it is Docker Hub's."""
        name, at, digest = text.partition("@")
        # A colon after the last slash starts a tag, one before it a port.
        head, slash, tail = name.rpartition("/")
        tail, colon, tag = tail.partition(":")
        host, repository = _split_host(head + slash + tail)
        return cls(
            host=host,
            repository=repository,
            tag=tag if colon else None,
            digest=Digest(digest) if at else None,
        )

    @property
    def target(self) -> str:
        """What to ask the registry for: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or "latest"

    def with_tag(self, tag: str | None) -> Reference:
        return replace(self, tag=tag)

    def with_digest(self, digest: Digest | None) -> Reference:
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"


def registry_url(host: str, plain_http: bool = False) -> str:
    """The base URL of the registry behind the host of a reference."""
    # Docker Hub's references and its API have different names.
    name = "registry-1.docker.io" if host == DOCKER_HOST else host
    return f"{'http' if plain_http else 'https'}://{name}"


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # The rule of Docker's own parser: only these can tell a host from a user name.
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    host, repository = (first, rest) if is_host else (DOCKER_HOST, name)
    if host == "index.docker.io":
        host = DOCKER_HOST
    if host == DOCKER_HOST and "/" not in repository:
        repository = f"library/{repository}"
    return host, repository
