"""The configuration of the chart's hub: everything comes from the chart's values."""

import os
from pathlib import Path

from desktop_spawner.hub_config import configure_from_files

# JupyterHub reads this file with `get_config` already in it.
configure_from_files(get_config(), Path("/etc/jupyterhub"), os.environ)  # noqa: F821
