"""Who we are for a registry: Basic, or a Bearer token from the realm that it names."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

import httpx

from .errors import RegistryRefused, RegistryUnavailable

_PARAMETER = re.compile(r'([A-Za-z_]+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True)
class Credentials:
    """A user name and a password that never show in a log."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


class Authorizer:
    """Finds the Authorization header for a request, asked for by the registry's 401.

    - credentials go to the registry, and to the realm it names, and nowhere else;
    - a realm without TLS is refused unless the registry itself speaks plain HTTP;
    - one token for each set of scopes, thrown away when the registry refuses it.
    """

    def __init__(
        self, http: httpx.AsyncClient, url: httpx.URL, credentials: Credentials | None
    ) -> None:
        self._http = http
        self._url = url
        self._credentials = credentials
        self._basic = False
        self._tokens: dict[frozenset[str], str] = {}

    def header(self, scopes: frozenset[str]) -> str | None:
        """The header known so far for these scopes, None before the first 401."""
        if self._basic and self._credentials is not None:
            return self._credentials.basic
        token = self._tokens.get(scopes)
        return f"Bearer {token}" if token else None

    async def answer(self, challenges: list[str], scopes: frozenset[str]) -> bool:
        """Take up a 401; True when asking again has a chance."""
        for challenge in challenges:
            scheme, _, rest = challenge.partition(" ")
            if scheme.lower() == "bearer":
                self._tokens.pop(scopes, None)
                self._tokens[scopes] = await self._token(_parameters(rest), scopes)
                return True
            if (
                scheme.lower() == "basic"
                and self._credentials is not None
                and not self._basic
            ):
                self._basic = True
                return True
        return False

    async def _token(self, challenge: dict[str, str], scopes: frozenset[str]) -> str:
        realm = httpx.URL(challenge.get("realm", ""))
        if realm.scheme != "https" and not (realm.scheme == "http" == self._url.scheme):
            raise RegistryRefused(
                f"{self._url.host} names a token realm that is not safe to ask"
            )
        wanted = sorted(scopes) or challenge.get("scope", "").split()
        query: list[tuple[str, str | int | float | bool | None]] = [
            ("scope", scope) for scope in wanted
        ]
        if "service" in challenge:
            query.append(("service", challenge["service"]))
        headers = (
            {"Authorization": self._credentials.basic} if self._credentials else {}
        )
        try:
            response = await self._http.get(
                realm.copy_merge_params(httpx.QueryParams(query)), headers=headers
            )
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"the token service of {self._url.host} is away"
            ) from error
        return self._token_in(response)

    def _token_in(self, response: httpx.Response) -> str:
        if response.status_code >= 500 or response.status_code == 429:
            raise RegistryUnavailable(
                f"the token service of {self._url.host} answered {response.status_code}",
                status=response.status_code,
            )
        try:
            answer = response.json() if response.status_code == 200 else {}
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise RegistryRefused(
                f"the token service of {self._url.host} gave no token",
                status=response.status_code,
            )
        return token


def challenges_of(response: httpx.Response) -> list[str]:
    """The challenges of a 401, one header line each; Bearer first, because it is narrower."""
    lines = response.headers.get_list("www-authenticate")
    return sorted(lines, key=lambda line: not line.lower().startswith("bearer"))


def _parameters(text: str) -> dict[str, str]:
    return {
        key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(text)
    }
