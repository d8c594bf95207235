"""Kubeconfig files; JSON, which every YAML reader takes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from devcluster.settings import API_PORT, NODE_ADDRESS


def kubeconfig(authority: bytes, certificate: bytes, key: bytes) -> str:
    """The text of a kubeconfig that holds its keys itself."""

    def data(content: bytes) -> str:
        return base64.b64encode(content).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "devcluster",
        "clusters": [
            {
                "name": "devcluster",
                "cluster": {
                    "server": f"https://{NODE_ADDRESS}:{API_PORT}",
                    "certificate-authority-data": data(authority),
                },
            }
        ],
        "users": [
            {
                "name": "devcluster",
                "user": {
                    "client-certificate-data": data(certificate),
                    "client-key-data": data(key),
                },
            }
        ],
        "contexts": [
            {
                "name": "devcluster",
                "context": {"cluster": "devcluster", "user": "devcluster"},
            }
        ],
    }
    return json.dumps(document, indent=2)


def write_kubeconfig(keys: Path, name: str, file: Path) -> None:
    """Write the kubeconfig of one certificate, readable by its owner only."""
    text = kubeconfig(
        (keys / "ca.crt").read_bytes(),
        (keys / f"{name}.crt").read_bytes(),
        (keys / f"{name}.key").read_bytes(),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text)
