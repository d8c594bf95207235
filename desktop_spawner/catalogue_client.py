"""Asks the catalogue which images a person may start: the spawner's only HTTP."""

import time
from dataclasses import dataclass, replace
from typing import Any

import httpx
from traitlets import Float, Unicode
from traitlets.config import SingletonConfigurable


@dataclass(frozen=True)
class Answer:
    """What the catalogue said, and when."""

    entries: list[dict[str, Any]]
    asked: float
    """When the catalogue gave this answer, in seconds since the epoch; 0 = it never did."""
    fresh: bool
    """False when this is an earlier answer because the catalogue does not answer now."""
    build: str = ""
    """The page where people build images; empty = nowhere."""


class CatalogueClient(SingletonConfigurable):
    """Reads the catalogue of hub_service, and remembers its last good answer for each person.

    - one object in a hub, shared by all spawners
    - never raises: a catalogue that is down gives the last good answer, marked as such, and
      hears of no start
    """

    url = Unicode(
        "",
        config=True,
        help="""
        The address of hub_service's API as seen from the hub, such as
        `http://hub-service:8080/services/desktops/api/v1`.

        Empty: there is no catalogue, only the base images are offered.
        """,
    )
    token = Unicode(
        "",
        config=True,
        help="The API token of the JupyterHub service that may read everybody's profiles.",
    )
    timeout = Float(
        3.0,
        config=True,
        help="""
        Seconds to wait for the catalogue before the last good answer is used.

        A person waits this long for the spawn page when hub_service is down.
        """,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._last: dict[str, Answer] = {}

    async def profiles(self, user: str, version: str = "") -> Answer:
        """Return the images that this user may start.

        `version` is one that they want to try, such as alice/gis@3: a catalogue that is down
        says nothing of it.
        """
        if not self.url:
            return Answer([], 0, fresh=True)
        try:
            found = await self._read(user, version)
            entries, build = list(found["items"]), str(found.get("build") or "")
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            # ValueError and its like: an answer that is not ours, e.g. a proxy's error page.
            self.log.warning("The catalogue did not answer for %s: %r", user, error)
            last = self._last.get(user, Answer([], 0, fresh=False))
            return replace(last, fresh=False)
        answer = Answer(entries, time.time(), fresh=True, build=build)
        kept = [entry for entry in entries if not entry.get("staged")]
        self._last[user] = replace(answer, entries=kept)
        return answer

    async def report_start(self, owner: str, name: str, version: int) -> None:
        """Tell the catalogue that a version starts, so that it is known to be in use."""
        if not self.url:
            return
        body = {"image": {"owner": owner, "name": name}, "version": version}
        try:
            async with self._client() as client:
                reply = await client.post(f"{self.url}/starts", json=body)
            reply.raise_for_status()
        except httpx.HTTPError as error:
            # A start must not fail for a record of it.
            self.log.warning(
                "The start of %s/%s is not recorded: %r", owner, name, error
            )

    def _client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(timeout=self.timeout, headers=headers)

    async def _read(self, user: str, version: str) -> dict[str, Any]:
        query = {"user": user, "version": version} if version else {"user": user}
        async with self._client() as client:
            reply = await client.get(f"{self.url}/profiles", params=query)
        reply.raise_for_status()
        return dict(reply.json())
