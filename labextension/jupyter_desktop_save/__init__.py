"""The desktop page of a Remote Desktop and its save button, as a Jupyter server extension.

JupyterLab's part, which has the button too, is installed with it.

Enabled by installing the distribution. In a server that is configured by hand:

    c.ServerApp.jpserver_extensions = {"jupyter_desktop_save": True}
"""

from typing import Any

from .app import load_extension

__version__ = "0.1.0"

_load_jupyter_server_extension = load_extension


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "jupyter_desktop_save"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-desktop-save"}]
