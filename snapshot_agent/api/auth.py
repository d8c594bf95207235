"""Who may ask this agent: named service accounts, with a token made for it."""

from __future__ import annotations

from collections.abc import Iterable

from snapshot_agent.api.kube import Cluster, KubeError, Reviews
from snapshot_agent.errors import Forbidden, InternalError, Unauthenticated


class Gate:
    """Lets a request through, or raises.

    - the API server vouches for the token, and for its audience: a token that was made for
      something else, such as a pod's default one, does not open;
    - a service account must be named in the configuration; with none named nobody gets in.
    """

    def __init__(
        self, cluster: Cluster, audience: str, accounts: Iterable[str]
    ) -> None:
        """`accounts` are `namespace:name`."""
        self._reviews = Reviews(cluster, audience)
        self._audience = audience
        self._accounts = {f"system:serviceaccount:{account}" for account in accounts}

    async def check(self, authorization: str) -> str:
        """The user name behind an Authorization header."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("A bearer token is needed.")
        try:
            identity = await self._reviews.identity(token.strip())
        except KubeError as error:
            raise InternalError(
                "The token cannot be checked at the moment: try again."
            ) from error
        if identity is None or self._audience not in identity.audiences:
            raise Unauthenticated("The token is not valid for the snapshot agent.")
        if identity.username not in self._accounts:
            raise Forbidden(f"{identity.username} may not ask the snapshot agent.")
        return identity.username
