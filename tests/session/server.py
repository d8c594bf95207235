"""A real Jupyter server with the extension, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.hub_service import TOKEN

BASE = "/user/alice/course/"
PASSWORD_TOKEN = "the-person-is-signed-in"


def session_environment(api_url: str, vnc_socket: Path) -> dict[str, str]:
    """What the spawner and the hub set in a customise session of alice."""
    return {
        "DESKTOPS_API_URL": api_url,
        "DESKTOPS_SESSION": "customise",
        "DESKTOPS_IMAGE": "alice/gis-course@3",
        "DESKTOPS_IMAGE_TITLE": "GIS course",
        "DESKTOPS_PUBLIC_HUB_URL": "/hub/",
        "DESKTOP_VNC_SOCKET": str(vnc_socket),
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_USER": "alice",
        "JUPYTERHUB_SERVER_NAME": "course",
        "JUPYTERHUB_SERVICE_PREFIX": BASE,
    }


def notebook_environment(api_url: str, vnc_socket: Path, token: Path) -> dict[str, str]:
    """What Kubeflow and start-desktop set in the Notebook team/desk."""
    return {
        "DESKTOP_SERVER_MODE": "kubeflow",
        "NB_PREFIX": "/notebook/team/desk",
        "DESKTOPS_API_URL": api_url,
        "DESKTOPS_TOKEN_FILE": str(token),
        "DESKTOP_VNC_SOCKET": str(vnc_socket),
    }


class JupyterServer:
    """One server below `folder`, at the path `base`; `client` is signed in as its person.

    With `lab`, the settings of JupyterLab's plugins by their names, it has JupyterLab too.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        lab: dict[str, dict[str, Any]] | None = None,
        base: str = BASE,
    ) -> None:
        pytest.importorskip(
            "jupyter_desktop_save", reason="needs: pip install -e ./labextension"
        )
        folder.mkdir()
        self._folder = folder
        self._lab = lab
        self.session = environment
        self._base = environment.get("NB_PREFIX", base)
        self._log = folder / "log"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        clean = {
            k: v for k, v in os.environ.items() if not re.match("JUPYTER|DESKTOP", k)
        }
        self._environment = {
            **clean,
            **environment,
            "HOME": str(folder),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_PREFER_ENV_PATH": "0",
        }
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}{self._base.rstrip('/')}/",
            headers={
                "Authorization": f"token {PASSWORD_TOKEN}",
                "Accept-Language": "fr",
            },
            timeout=20,
        )
        self.stranger = httpx.Client(base_url=self.client.base_url, timeout=20)

    @property
    def page_url(self) -> str:
        """The desktop page, signed in."""
        return f"{self.client.base_url}desktop/?token={PASSWORD_TOKEN}"

    @property
    def lab_url(self) -> str:
        """JupyterLab, signed in; a fresh workspace at every visit."""
        return f"{self.client.base_url}lab?reset&token={PASSWORD_TOKEN}"

    @property
    def log(self) -> str:
        """What the server wrote."""
        return self._log.read_text()

    def start(self) -> None:
        """Return when the server answers."""
        command = [
            sys.executable,
            "-m",
            "jupyter_server",
            f"--ServerApp.port={self._port}",
        ]
        command += ["--ServerApp.port_retries=0", "--ServerApp.open_browser=False"]
        command += [
            f"--ServerApp.base_url={self._base}",
            f"--IdentityProvider.token={PASSWORD_TOKEN}",
        ]
        command += [
            "--ServerApp.allow_root=True",
            f"--ServerApp.root_dir={self._folder}",
        ]
        with_lab = self._lab is not None
        extensions = {
            "jupyter_desktop_save": True,
            "jupyter_server_proxy": True,
            "jupyterlab": with_lab,
        }
        command += [f"--ServerApp.jpserver_extensions={extensions}"]
        if with_lab:
            self._write_lab_settings()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, cwd=self._folder
            )
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                if self.client.get("api/status").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
            if self._process.poll() is not None:
                break
        raise RuntimeError(f"The Jupyter server did not come up:\n{self.log}")

    def _write_lab_settings(self) -> None:
        for plugin, settings in (self._lab or {}).items():
            package, _, name = plugin.partition(":")
            folder = self._folder / ".jupyter/lab/user-settings" / package
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.jupyterlab-settings").write_text(json.dumps(settings))

    def stop(self) -> None:
        """End it and give back the connections."""
        self.client.close()
        self.stranger.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
