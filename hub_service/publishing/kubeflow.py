"""Published images in the form of Kubeflow's spawner, too."""

import asyncio
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hub_service.bell import Bell
from hub_service.clients.config_maps import ConfigMaps, Text
from hub_service.clients.pushed_images import is_below
from hub_service.errors import Conflict, PublicError, sentence
from hub_service.models import Version
from hub_service.publishing.kubeflow_form import with_images
from hub_service.stores.stores import Stores
from oci.names import tag

log = logging.getLogger(__name__)

OF_A_PIPELINE = re.compile(r"(?P<repository>.+):v\d+@sha256:[0-9a-f]{64}")

ATTEMPTS = 5
"""How often a change is tried that somebody else's comes in between of."""


@dataclass(frozen=True)
class KubeflowSettings:
    """Where Kubeflow's form is."""

    config_map: str = "jupyter-web-app-config"
    key: str = "spawner_ui_config.yaml"
    interval: float = 30.0
    """Seconds between two looks: an upgrade of Kubeflow writes its own list again."""
    registries: Sequence[str] = ()
    """Of what pipelines publish: hosts, or a host and a path below it."""


class Kubeflow:
    """Keeps the list in step with the catalogue.

    - an entry is `repository:tag@digest`: people read the version, and what starts never changes
    - of the list, only entries of our registry's prefix are changed, and those of that form which
      a pipeline's registry has: what people have put there by a tag stays; of the form, only the
      list
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
            text = with_images(
                found.text, lambda entry: self._is_ours(entry, wanted), wanted
            )
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

    def _is_ours(self, entry: str, wanted: Collection[str]) -> bool:
        if entry.startswith(self._store.root) or entry in wanted:
            return True
        version = OF_A_PIPELINE.fullmatch(entry)
        return version is not None and is_below(
            version["repository"], self._settings.registries
        )


def _entry(version: Version) -> str:
    """Return what stands in the list: repository, tag and digest."""
    repository, _, digest = version.reference.partition("@")
    return f"{repository}:{tag(version.number)}@{digest}"
