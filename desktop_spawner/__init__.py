"""The spawner that starts Remote Desktops from the catalogue."""
