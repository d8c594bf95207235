"""The cluster's own certificate authority, made once per state folder with openssl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.command import run
from devcluster.settings import (
    API_SERVICE_ADDRESS,
    CLUSTER_DOMAIN,
    NODE_ADDRESS,
    NODE_NAME,
)

DAYS = "3650"


@dataclass(frozen=True)
class Certificate:
    """One key pair: who it speaks for, and the names it may serve."""

    name: str
    user: str
    group: str = ""
    names: Sequence[str] = field(default_factory=tuple)

    @property
    def subject(self) -> str:
        """The subject as openssl wants it; Kubernetes reads O as group and CN as user."""
        group = f"/O={self.group}" if self.group else ""
        return f"{group}/CN={self.user}"


CERTIFICATES = (
    Certificate(
        "apiserver",
        "kube-apiserver",
        # The API server is also a client: of the kubelets, as an administrator, and of etcd.
        group="system:masters",
        names=(
            "DNS:kubernetes",
            "DNS:kubernetes.default",
            "DNS:kubernetes.default.svc",
            f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN}",
            "DNS:localhost",
            "IP:127.0.0.1",
            f"IP:{NODE_ADDRESS}",
            f"IP:{API_SERVICE_ADDRESS}",
        ),
    ),
    Certificate("etcd", "etcd", names=("DNS:localhost", "IP:127.0.0.1")),
    Certificate(
        "kubelet",
        f"system:node:{NODE_NAME}",
        group="system:nodes",
        names=(f"DNS:{NODE_NAME}", f"IP:{NODE_ADDRESS}"),
    ),
    Certificate("controller-manager", "system:kube-controller-manager"),
    Certificate("scheduler", "system:kube-scheduler"),
    Certificate("proxy", "system:kube-proxy"),
    Certificate("admin", "devcluster-admin", group="system:masters"),
)


def ensure_certificates(folder: Path) -> None:
    """Make the authority, every certificate and the key of the ServiceAccount tokens, once."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if not (folder / "ca.crt").exists():
        _make_key(folder / "ca.key")
        run(
            ["openssl", "req", "-x509", "-new", "-key", f"{folder}/ca.key", "-subj"]
            + ["/CN=devcluster", "-days", DAYS, "-out", f"{folder}/ca.crt"]
        )
    for certificate in CERTIFICATES:
        if not (folder / f"{certificate.name}.crt").exists():
            _sign(folder, certificate)
    if not (folder / "tokens.key").exists():
        _make_key(folder / "tokens.key")


def _make_key(file: Path) -> None:
    run(
        [
            "openssl",
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            str(file),
        ]
    )
    file.chmod(0o600)


def _sign(folder: Path, certificate: Certificate) -> None:
    base = folder / certificate.name
    _make_key(base.with_suffix(".key"))
    usage = "extendedKeyUsage=clientAuth,serverAuth\nkeyUsage=digitalSignature\n"
    names = ",".join(certificate.names)
    extensions = folder / "extensions"
    extensions.write_text(usage + (f"subjectAltName={names}\n" if names else ""))
    request = run(
        ["openssl", "req", "-new", "-key", str(base.with_suffix(".key"))]
        + ["-subj", certificate.subject]
    )
    run(
        [
            "openssl",
            "x509",
            "-req",
            "-CA",
            f"{folder}/ca.crt",
            "-CAkey",
            f"{folder}/ca.key",
        ]
        + [
            "-days",
            DAYS,
            "-extfile",
            str(extensions),
            "-out",
            str(base.with_suffix(".crt")),
        ],
        text=request,
    )
    extensions.unlink()
