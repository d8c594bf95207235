"""The only HTTP client of the command: the hub service's API, with one token."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import quote

import httpx

from desktops_cli.errors import (
    CommandError,
    Missing,
    NotAllowed,
    Unavailable,
    UsageProblem,
)
from desktops_cli.settings import Settings
from desktops_cli.words import sentence

# A preview walks the tree of a desktop: some seconds when it is large and the node is busy.
TIMEOUT = httpx.Timeout(60, connect=10)
"""The service sends a comment every 25 s: two lost ones mean that nobody is there any more."""
CHUNK = 1 << 16


class Client:
    """Requests to the API.

    - every failure is a CommandError: the service's own words, or ours when it does not answer
    - redirects are not followed, so the token stays with the host that was named
    """

    def __init__(self, settings: Settings, language: str, program: str) -> None:
        self._settings = settings
        self._http = httpx.Client(
            timeout=TIMEOUT,
            headers={
                # As JupyterHub and Kubeflow's gateway both read it.
                "Authorization": f"Bearer {settings.token}",
                "Accept-Language": language,
                "User-Agent": program,
            },
        )

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """Read one thing."""
        return self._request("GET", path, params=parameters)

    def items(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        """Read a list, all its pages."""
        found: list[dict[str, Any]] = []
        following: str | None = ""
        while following is not None:
            page = self.get(path, **parameters)
            found += page["items"]
            following = page["next"]
            parameters["cursor"] = following or ""
        return found

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Begin or ask for something."""
        return self._request("POST", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change something."""
        return self._request("PATCH", path, json=body)

    def delete(self, path: str) -> dict[str, Any]:
        """Delete or cancel something."""
        return self._request("DELETE", path)

    def upload(self, path: str, chunks: Iterator[bytes], size: int) -> dict[str, Any]:
        """Send bytes as they come."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
        }
        return self._request("POST", path, content=chunks, headers=headers)

    def user(self) -> str:
        """Return whose token this is."""
        if self._settings.user:
            return self._settings.user
        answer = self._request("GET", f"{self._settings.hub}hub/api/user")
        return str(answer["name"])

    @contextmanager
    def events(self, path: str, last_id: str) -> Iterator[Iterator[bytes]]:
        """Open a stream of events after the one with this id; give its bytes as they come."""
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            address = self._settings.api + path
            with self._http.stream("GET", address, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise error_of(answer)
                yield answer.iter_bytes()
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _request(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        address = path if "://" in path else self._settings.api + path
        try:
            answer = self._http.request(method, address, **given)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        except httpx.InvalidURL as error:
            raise UsageProblem(
                "hub_invalid",
                sentence(
                    "{hub} is no address of a hub: write it like https://hub.example.org/."
                ),
                hub=self._settings.hub or self._settings.api,
            ) from error
        if not answer.is_success:
            raise error_of(answer)
        try:
            return dict(answer.json())
        except (ValueError, TypeError) as error:
            raise _foreign(answer) from error

    def _silent(self, error: httpx.HTTPError) -> Unavailable:
        return Unavailable(
            "service_unavailable",
            sentence("The service at {address} does not answer ({why})."),
            address=self._settings.api,
            why=type(error).__name__,
        )


def error_of(answer: httpx.Response) -> CommandError:
    """Return what a refusal means; its words are the service's when they are its own."""
    kind = {401: NotAllowed, 403: NotAllowed, 404: Missing}.get(answer.status_code)
    if kind is None:
        kind = Unavailable if answer.status_code >= 500 else CommandError
    try:
        error = answer.json()["error"]
        code, said = str(error["code"]), str(error["message"])
        details = dict(error.get("details") or {})
    except (ValueError, KeyError, TypeError):
        return _foreign(answer)
    return kind(code, said=said, details=details)


def _foreign(answer: httpx.Response) -> CommandError:
    """Return the error for an answer that is not the service's: a proxy's, another program's."""
    if answer.status_code in (401, 403):
        return NotAllowed(
            "token_refused",
            sentence(
                "The hub does not know your token, or it has ended. Make a new one."
            ),
        )
    return Unavailable(
        "answer_unknown",
        sentence(
            "What answers at {address} is not the desktops' service (status {status}). "
            "Check the hub's address."
        ),
        address=answer.url.copy_with(query=None),
        status=answer.status_code,
    )


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file in parts."""
    while chunk := file.read(CHUNK):
        yield chunk


def image_path(owner: str, name: str) -> str:
    """Return an image's path in the API."""
    return f"/images/{quote(owner, safe='')}/{quote(name, safe='')}"
