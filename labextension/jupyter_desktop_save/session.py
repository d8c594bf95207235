"""What this session is: whose, of which image, and whether it can be saved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Kubeflow's controller sets NB_PREFIX to /notebook/<namespace>/<name>.
_NOTEBOOK = re.compile(r"/notebook/([^/]+)/([^/]+)/?$")
_IMAGE = re.compile(r"(?P<owner>[^/]+)/(?P<name>[^/@]+)(?:@(?P<version>\d+))?")


@dataclass(frozen=True)
class Image:
    """A named image of the catalogue."""

    owner: str
    name: str
    title: str

    def to_dict(self) -> dict[str, str]:
        """As the page reads it."""
        return {"owner": self.owner, "name": self.name, "title": self.title}


@dataclass(frozen=True)
class Session:
    """A running server, as its environment describes it. Holds no secret."""

    user: str
    server: str
    kind: str
    title: str
    image: Image | None
    hub_url: str
    api_url: str
    why_not: str | None
    token_file: str = ""
    """Where the pod's own token is, in a Kubeflow; empty = the hub gave one."""

    @property
    def can_save(self) -> bool:
        """There is a service to save to."""
        return self.why_not is None

    @property
    def server_ref(self) -> dict[str, str]:
        """How the image service names this server."""
        return {"user": self.user, "name": self.server}

    def to_dict(self) -> dict[str, Any]:
        """What the page may know."""
        return {
            "user": self.user,
            "server": self.server,
            "session": self.kind,
            "title": self.title,
            "image": self.image.to_dict() if self.image else None,
            "hub_url": self.hub_url,
            "can_save": self.can_save,
            "why_not": self.why_not,
        }


def session_from(environ: Mapping[str, str]) -> Session:
    """Read a session from the variables that the spawner and the hub set.

    - Nothing set (docker run) gives a session that cannot be saved and says why.
    - An unknown kind of session is a use session: the one that promises less.
    """
    if environ.get("DESKTOP_SERVER_MODE") == "kubeflow":
        return _notebook(environ)
    kind = environ.get("DESKTOPS_SESSION", "")
    title = environ.get("DESKTOPS_IMAGE_TITLE", "")
    under_hub = bool(environ.get("JUPYTERHUB_SERVICE_PREFIX"))
    api_url = environ.get("DESKTOPS_API_URL", "").rstrip("/")
    why_not = None
    if not (under_hub and environ.get("JUPYTERHUB_API_TOKEN")):
        why_not = "not_under_hub"
    elif not api_url:
        why_not = "no_service"
    return Session(
        user=environ.get("JUPYTERHUB_USER", ""),
        server=environ.get("JUPYTERHUB_SERVER_NAME", ""),
        kind="customise" if kind == "customise" else "use",
        title=title,
        image=_image_from(environ.get("DESKTOPS_IMAGE", ""), title),
        hub_url=environ.get("DESKTOPS_PUBLIC_HUB_URL", "/hub/") if under_hub else "",
        api_url=api_url,
        why_not=why_not,
    )


def _notebook(environ: Mapping[str, str]) -> Session:
    """Read what a Notebook of Kubeflow's is: `user` is its namespace, as the image service has it.

    Without the service's address and a token of the pod, it cannot be saved.
    """
    found = _NOTEBOOK.search(environ.get("NB_PREFIX", ""))
    namespace, name = found.groups() if found else ("", "")
    api_url = environ.get("DESKTOPS_API_URL", "").rstrip("/")
    token_file = environ.get("DESKTOPS_TOKEN_FILE", "")
    return Session(
        user=namespace,
        server=name,
        kind="use",
        title=name,
        image=None,
        hub_url="",
        api_url=api_url,
        why_not=None if name and api_url and token_file else "no_service",
        token_file=token_file,
    )


def _image_from(reference: str, title: str) -> Image | None:
    match = _IMAGE.fullmatch(reference)
    if match is None:
        return None
    return Image(owner=match["owner"], name=match["name"], title=title or match["name"])
