"""All handlers of hub_service."""

from typing import Any

from hub_service.handlers import (
    admin_pages,
    admin_rules,
    build_pages,
    builds,
    cleanups,
    commits,
    health,
    image_pages,
    images,
    jobs,
    pages,
    pictures,
    profiles,
    publications,
    quotas,
    retention,
    robots,
    scans,
    start_page,
    version_pages,
)

hub_handlers: list[tuple[str, type[Any]]] = [
    *health.hub_handlers,
    *start_page.hub_handlers,
]
"""What there is beside a JupyterHub only."""

default_handlers: list[tuple[str, type[Any]]] = [
    *health.default_handlers,
    *images.default_handlers,
    *commits.default_handlers,
    *cleanups.default_handlers,
    *builds.default_handlers,
    *jobs.default_handlers,
    *profiles.default_handlers,
    *pictures.default_handlers,
    *publications.default_handlers,
    *quotas.default_handlers,
    *retention.default_handlers,
    *robots.default_handlers,
    *scans.default_handlers,
    *build_pages.default_handlers,
    *admin_pages.default_handlers,
    *admin_rules.default_handlers,
    *image_pages.default_handlers,
    *version_pages.default_handlers,
    *pages.default_handlers,
]
