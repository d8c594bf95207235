"""What everybody may start is scanned again: new vulnerabilities come to light every day."""

import logging
from collections.abc import Callable

from hub_service.bell import Bell
from hub_service.publishing.publication_tests import PublicationTests
from hub_service.scans.scans import Scans
from hub_service.stores.stores import Stores

log = logging.getLogger(__name__)

PAUSE = 60.0
"""Seconds between two looks at what is due."""


class Rescans:
    """Asks for the scan of each published version that was not scanned lately.

    - one that failed is tried again at its next turn, not at once
    """

    def __init__(
        self,
        stores: Stores,
        scans: Scans,
        trials: PublicationTests,
        asked: Callable[[], None],
    ) -> None:
        """`asked` is called when there is something to do."""
        self._catalogue = stores.catalogue
        self._scans = scans
        self._trials = trials
        self._asked = asked
        self._bell = Bell()

    def wake(self) -> None:
        """Look now instead of at the next turn."""
        self._bell.ring()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                self._turn()
            except Exception:
                # What is not scanned is said to be so; the program goes on.
                log.exception("Scanning again failed by a defect")
            await self._bell.wait(PAUSE)

    def _turn(self) -> None:
        for image in self._catalogue.published():
            version = image.published_version
            if version and self._scans.due(version):
                self._trials.ask(image, version.number)
                self._asked()
