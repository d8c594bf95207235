"""The configuration of the small hub that the chart brings (pure but for the files it reads).

An administrator of an existing hub writes the same services, roles and scopes into their
own configuration; docs/configuration.md shows them for Zero-to-JupyterHub.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from traitlets.config import Config

from desktop_spawner.navigation import words_for

READ, SAVE, WRITE, ADMIN = (
    "custom:desktops:read",
    "custom:desktops:save",
    "custom:desktops:write",
    "custom:desktops:admin",
)
PUBLISH = "custom:desktops:publish"
SCOPES = {
    READ: "See the desktop images that are shared with me, and my saves.",
    SAVE: "Save my desktops.",
    WRITE: "Save my desktops, build images, and change, share or delete mine.",
    ADMIN: "See and change everybody's desktop images, publish them, set quotas, clean up.",
    "custom:desktops:profiles": "Read what any user may start, and say what was started.",
    PUBLISH: "Publish what a pipeline has pushed as an image of the hub.",
    "custom:desktops:metrics": "Read the figures for Prometheus.",
}
ACCESS = "access:services!service=desktops"
TEMPLATES = Path(__file__).parent / "templates" / "hub"


def configure(
    config: Config,
    values: Mapping[str, Any],
    *,
    cull_hours: float,
    environ: Mapping[str, str],
) -> None:
    """Fill JupyterHub's configuration.

    - `values` are traits by class, and have the last word over what is set here
    - the tokens come from `environ`, so that they stand in no file
    - KeyError when a token is missing: a hub that cannot reach its catalogue must not start
    """
    hub = config.JupyterHub
    hub.custom_scopes = {scope: {"description": text} for scope, text in SCOPES.items()}
    hub.services = _services(environ)
    hub.load_roles = _roles(environ)
    hub.template_paths = [str(TEMPLATES)]
    hub.template_vars = {"_": words_for}
    # A saved desktop starts beside the one that runs.
    hub.allow_named_servers = True
    config.CatalogueClient.token = environ["DESKTOPS_SPAWNER_TOKEN"]
    config.ConfigurableHTTPProxy.auth_token = environ["CONFIGPROXY_AUTH_TOKEN"]
    if cull_hours > 0:
        _cull(config, cull_hours)
    config.merge(Config({name: dict(traits) for name, traits in values.items()}))


def configure_from_files(
    config: Config, folder: Path, environ: Mapping[str, str]
) -> None:
    """Fill the configuration from the chart's `config.json` and `cull.json`."""
    values = json.loads((folder / "config.json").read_text())
    cull = json.loads((folder / "cull.json").read_text())
    configure(config, values, cull_hours=float(cull["hours"]), environ=environ)


def _services(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = [
        {
            "name": "desktops",
            "url": "http://hub-service:8080",
            "api_token": environ["DESKTOPS_SERVICE_TOKEN"],
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": [READ, WRITE, ADMIN],
            "display": True,
        },
        {"name": "desktops-spawner", "api_token": environ["DESKTOPS_SPAWNER_TOKEN"]},
    ]
    if token := environ.get("DESKTOPS_ROBOT_TOKEN"):
        services.append({"name": "desktops-robot", "api_token": token})
    return services


def _roles(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    roles = [
        {"name": "user", "scopes": ["self", ACCESS, READ, SAVE, WRITE]},
        {
            # The token inside a desktop, where somebody else's image may run: it saves that
            # desktop, and sees what its person may see.
            "name": "server",
            "scopes": [
                "users:activity!user",
                "access:servers!server",
                ACCESS,
                READ,
                f"{SAVE}!server",
            ],
        },
        {
            "name": "desktops-admin",
            "scopes": [ACCESS, ADMIN],
            "groups": ["desktops-admins"],
        },
        {
            # Who has which servers, to stop one after a save, and to say it is in use.
            "name": "desktops-service",
            "scopes": ["list:users", "read:users", "read:servers", "delete:servers"]
            + ["users:activity"],
            "services": ["desktops"],
        },
        {
            "name": "desktops-spawner",
            "scopes": [ACCESS, "custom:desktops:profiles"],
            "services": ["desktops-spawner"],
        },
    ]
    if environ.get("DESKTOPS_ROBOT_TOKEN"):
        # A pipeline's token: it publishes what was pushed, and sees nothing else.
        robot = {"name": "desktops-robot", "scopes": [ACCESS, PUBLISH]}
        roles.append({**robot, "services": ["desktops-robot"]})
    return roles


def _cull(config: Config, hours: float) -> None:
    config.JupyterHub.services.append(
        {
            "name": "idle-culler",
            "command": [
                sys.executable,
                "-m",
                "jupyterhub_idle_culler",
                f"--timeout={round(hours * 3600)}",
                "--cull-every=300",
            ],
        }
    )
    config.JupyterHub.load_roles.append(
        {
            "name": "idle-culler",
            "scopes": [
                "list:users",
                "read:users:activity",
                "read:servers",
                "delete:servers",
            ],
            "services": ["idle-culler"],
        }
    )
