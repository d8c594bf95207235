"""The spawner that starts Remote Desktops from the catalogue.

Enable it in jupyterhub_config.py with

    c.JupyterHub.spawner_class = "desktops"
"""

from desktop_spawner.spawner import DesktopSpawner

__all__ = ["DesktopSpawner"]
