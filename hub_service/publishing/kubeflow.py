"""Published images in the form of Kubeflow's spawner, too."""

import asyncio
import logging
import re
from dataclasses import dataclass

from hub_service.bell import Bell
from hub_service.clients.config_maps import ConfigMaps, Text
from hub_service.errors import Conflict, PublicError, sentence
from hub_service.models import Version
from hub_service.publishing.kubeflow_form import with_images
from hub_service.stores.stores import Stores
from oci.names import tag

log = logging.getLogger(__name__)

PINNED = re.compile(r".+:v\d+@(?P<digest>sha256:[0-9a-f]{64})")

ATTEMPTS = 5
"""How often a change is tried that somebody else's comes in between of."""


@dataclass(frozen=True)
class KubeflowSettings:
    """Where Kubeflow's form is."""

    config_map: str = "jupyter-web-app-config"
    key: str = "spawner_ui_config.yaml"
    interval: float = 30.0
    """Seconds between two looks: an upgrade of Kubeflow writes its own list again."""


class Kubeflow:
    """Keeps the list in step with the catalogue.

    - an entry is `repository:tag@digest`: people read the version, and what starts never changes
    - of the list, only entries of our registry's prefix are changed, and those of versions that
      the catalogue has or that were put there since the start: what people have put there
      stays; of the form, only the list
    - `problem` says why the list is not in step
    """

    def __init__(
        self, stores: Stores, config_maps: ConfigMaps | None, settings: KubeflowSettings
    ) -> None:
        self._catalogue = stores.catalogue
        self._store = stores.store
        self._retention = stores.retention_plans
        self._config_maps = config_maps
        self._settings = settings
        self._bell = Bell()
        self._put_there: set[str] = set()
        self.problem: PublicError | None = None

    @property
    def enabled(self) -> bool:
        """True when the administrator of the cluster named a Kubeflow."""
        return self._config_maps is not None

    def wake(self) -> None:
        """Look now instead of at the next turn."""
        self._bell.ring()

    async def run(self) -> None:
        """Keep the list in step until cancelled."""
        while self._config_maps is not None:
            try:
                await self._sync(self._config_maps)
                self.problem = None
            except PublicError as error:
                if self.problem is None or self.problem.code != error.code:
                    log.warning("Kubeflow's list: %s %s", error, error.details)
                self.problem = error
            except Exception:
                # Another program's form must not end ours.
                log.exception("Kubeflow's list failed by a defect")
            await self._bell.wait(self._settings.interval)
        # Nothing to do: whoever waits for the end of a loop waits for a cancellation.
        await asyncio.Event().wait()

    async def _sync(self, config_maps: ConfigMaps) -> None:
        name, key = self._settings.config_map, self._settings.key
        for _ in range(ATTEMPTS):
            found = await config_maps.read(name, key)
            offered = [
                version
                for image in self._catalogue.published()
                if image.kubeflow and (version := image.published_version)
            ]
            wanted = [_entry(version) for version in offered]
            self._put_there.update(wanted)
            text = with_images(found.text, self._is_ours, wanted)
            self._retention.note_offered([one.reference for one in offered])
            if text == found.text:
                return
            if await config_maps.apply(name, key, Text(text, found.version)):
                log.info("Kubeflow's list has now %d images of ours", len(wanted))
                return
        raise Conflict(
            "kubeflow_busy",
            sentence(
                "Somebody else changes Kubeflow's form all the time. We keep trying."
            ),
        )

    def _is_ours(self, entry: str) -> bool:
        if entry.startswith(self._store.root) or entry in self._put_there:
            return True
        pinned = PINNED.fullmatch(entry)
        known = self._catalogue.images_with({pinned["digest"]}) if pinned else []
        return any(entry == _entry(one) for image in known for one in image.versions)


def _entry(version: Version) -> str:
    """Return what stands in the list: repository, tag and digest."""
    repository, _, digest = version.reference.partition("@")
    return f"{repository}:{tag(version.number)}@{digest}"
