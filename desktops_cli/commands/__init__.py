"""What each command does; a command answers or raises."""

from collections.abc import Callable

from desktops_cli.commands import builds, images, jobs, publishing, saves
from desktops_cli.running import Run

COMMANDS: dict[str, Callable[[Run], None]] = {
    "save": saves.save,
    "build": builds.build,
    "images": images.images,
    "versions": images.versions,
    "rollback": images.rollback,
    "publish": publishing.publish,
    "rm": images.remove,
    "jobs": jobs.jobs,
    "cancel": jobs.cancel,
}
