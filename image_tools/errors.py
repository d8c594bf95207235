"""What can go wrong with an image, as sentences for the person at the terminal.

ImageError
 |- BuildFailed      the Dockerfile did not come to its end
 |- ParentMissing    the image that another one is made from is not on this machine
 `- TooLarge         the image is larger than its budget
"""

from __future__ import annotations


class ImageError(Exception):
    """A failure whose message is meant to be read as it is."""


class BuildFailed(ImageError):
    """The Dockerfile did not come to its end; what the build said stands above."""

    def __init__(self, name: str, disk_full: bool) -> None:
        why = (
            "the disk is full. Free some, for example with `buildah prune`"
            if disk_full
            else "what it said stands above"
        )
        super().__init__(
            f"{name} was not built: {why}, and run the same command again: layers that were "
            "finished are kept, and the image of before is untouched."
        )


class ParentMissing(ImageError):
    """The image that another one is made from is not on this machine."""

    def __init__(self, name: str, parent: str) -> None:
        super().__init__(
            f"{name} is made from {parent}, which is not on this machine. Nothing was changed. "
            f"Build it first: scripts/build-images {parent.rpartition('/')[2].partition(':')[0]}"
        )


class TooLarge(ImageError):
    """The image is larger than its budget."""

    def __init__(self, name: str, size: int, budget: int) -> None:
        super().__init__(
            f"{name} takes {size / 1e9:.2f} GB, and its budget is {budget / 1e9:.2f} GB; it is not "
            f"given to anybody. `scripts/build-images --layers {name}` shows what is large; the "
            "budget stands in images/budget.json."
        )
