"""Which hub, as whom: from the command line, the environment and the token's file."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from desktops_cli.errors import NotAllowed, UsageProblem
from desktops_cli.words import sentence

API = "services/desktops/api/v1"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Settings:
    """Where the service is and who asks."""

    api: str
    """Address of the API, without a slash at its end."""
    token: str = field(repr=False)
    hub: str = ""
    """Address of the hub as people type it; empty in a session, where only the API is known."""
    user: str = ""
    """Empty when only the hub can say whose token it is."""
    server: str = ""
    """The server that this program runs in; empty is also the default server's name."""

    @property
    def in_session(self) -> bool:
        """True in a desktop of the hub."""
        return not self.hub

    def link(self, path: str) -> str:
        """Return the address of a path on the hub's host, as far as it is known."""
        if not self.hub:
            return path
        parts = urlsplit(self.hub)
        return f"{parts.scheme}://{parts.netloc}{path}"


def read_settings(environ: Mapping[str, str], hub: str = "") -> Settings:
    """Return the settings, or raise with what is missing.

    - a hub that is named (`--hub`, DESKTOPS_HUB) comes before the session's own
    - the session's token never goes to a hub that is named
    """
    hub = hub or environ.get("DESKTOPS_HUB", "")
    if hub:
        return _of_hub(environ, hub)
    api = environ.get("DESKTOPS_API_URL", "")
    if not api:
        raise UsageProblem(
            "hub_missing",
            sentence(
                "Say which hub: --hub https://hub.example.org/, or the variable DESKTOPS_HUB."
            ),
        )
    token = environ.get("JUPYTERHUB_API_TOKEN", "")
    if not token:
        raise NotAllowed(
            "token_missing",
            sentence(
                "This terminal has no token: programs on the desktop get none. Use a terminal of "
                "JupyterLab, or name the hub with --hub and use a token of your own."
            ),
        )
    return Settings(
        api=api.rstrip("/"),
        token=_checked(token),
        user=environ.get("JUPYTERHUB_USER", ""),
        server=environ.get("JUPYTERHUB_SERVER_NAME", ""),
    )


def _of_hub(environ: Mapping[str, str], hub: str) -> Settings:
    parts = urlsplit(hub)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageProblem(
            "hub_invalid",
            sentence(
                "{hub} is no address of a hub: write it like https://hub.example.org/."
            ),
            hub=hub,
        )
    if "@" in parts.netloc:
        raise UsageProblem(
            "hub_invalid",
            sentence(
                "Leave name and password out of the hub's address: a token says who."
            ),
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageProblem(
            "hub_unencrypted",
            sentence(
                "Your token would travel unencrypted to {host}: use an address with https://."
            ),
            host=parts.hostname,
        )
    # What people copy from the browser's bar often ends in the hub's own path.
    path = parts.path.rstrip("/").removesuffix("/hub/home").removesuffix("/hub")
    root = f"{parts.scheme}://{parts.netloc}{path.rstrip('/')}/"
    token = environ.get("DESKTOPS_TOKEN", "") or _token_of_file(environ, root)
    return Settings(api=root + API, token=_checked(token), hub=root)


def token_file(environ: Mapping[str, str]) -> Path:
    """Return where the token is kept on a person's own machine."""
    folder = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '~')}/.config"
    return Path(folder).expanduser() / "desktops" / "token"


def _token_of_file(environ: Mapping[str, str], root: str) -> str:
    """Read the token, if only its owner can."""
    path = token_file(environ)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(10_000)
    except OSError as error:
        raise NotAllowed(
            "token_missing",
            sentence(
                "There is no token. Make one at {page} and put it into the file {path} with mode "
                "600, or into the variable DESKTOPS_TOKEN."
            ),
            page=f"{root}hub/token",
            path=path,
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise NotAllowed(
            "token_exposed",
            sentence("Other people can read your token: run chmod 600 {path}"),
            path=path,
        )
    return text


def _checked(token: str) -> str:
    """Return the token without its outer spaces; the error does not show it."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NotAllowed(
            "token_invalid",
            sentence("What is given as the token is none: a token is one word."),
        )
    return token
