"""Wiring: reads the environment once and gives the handlers what they need."""

import os
from pathlib import Path
from typing import Any

from .handlers import KEY, save_handlers
from .hub_service import HubService, HubToken, PodToken
from .page import page_handlers
from .ready import Desktop
from .session import session_from


def load_extension(server: Any) -> None:
    """Add the desktop page and the save requests to a Jupyter server."""
    session = session_from(os.environ)
    service = None
    if session.can_save:
        file, token = session.token_file, os.environ.get("JUPYTERHUB_API_TOKEN", "")
        auth = PodToken(Path(file)) if file else HubToken(token)
        service = HubService(session.api_url, auth)
    server.web_app.settings[KEY] = {
        "session": session,
        "desktop": Desktop(socket=vnc_socket()),
        "service": service,
    }
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", page_handlers(base) + save_handlers(base))
    server.log.info(
        "Desktop page at %sdesktop/ (%s)", base, session.why_not or "can be saved"
    )


def vnc_socket() -> Path:
    """Where the VNC server listens: DESKTOP_VNC_SOCKET, set by start-desktop."""
    default = f"/tmp/desktop-{os.getuid()}/vnc.sock"
    return Path(os.environ.get("DESKTOP_VNC_SOCKET", default))


def desktop_vnc() -> dict[str, Any]:
    """The entry for jupyter-server-proxy: `desktop-vnc/` is the VNC server, as a websocket.

    No command: the desktop is started with the container, not by the first visitor.
    """
    return {
        "command": [],
        "unix_socket": str(vnc_socket()),
        "raw_socket_proxy": True,
        "launcher_entry": {
            "title": "Desktop",
            "path_info": "desktop/",
            "category": "Other",
        },
    }
