"""How it is known who asks: JupyterHub says so, or Kubeflow's gateway and the cluster do."""

import hmac
from collections.abc import Collection
from typing import Any, Protocol

from jupyterhub.services.auth import HubOAuth, HubOAuthenticated, UserNotAllowed
from tornado.web import HTTPError, RequestHandler

from hub_service.clients.notebooks import Notebooks
from hub_service.clients.reviews import ACCOUNT, PodIdentity, Reviews
from hub_service.errors import Forbidden, Unauthenticated, sentence

READ, SAVE, WRITE, ADMIN, PUBLISH = (
    "custom:desktops:read",
    "custom:desktops:save",
    "custom:desktops:write",
    "custom:desktops:admin",
    "custom:desktops:publish",
)
PROOF_HEADER = "X-Desktops-Gateway"
NAME_LENGTH = 255
SAFE = ("GET", "HEAD", "OPTIONS")
OWN_PAGES = ("same-origin", "none")
"""What a browser says of where a request comes from, when that is the same address."""
PROGRAMS = "system:"
"""How Kubernetes' own names begin: Kubeflow's gateway takes a ServiceAccount's token, too."""

Model = dict[str, Any]
"""Who asks, as JupyterHub writes it: kind, name, groups, scopes."""


class Login(Protocol):
    """Asked by every handler, before anything else."""

    async def user(self, handler: Any) -> Model | None:
        """Return who asks; None = nobody. What is not to be believed raises."""

    def url(self, handler: Any) -> str:
        """Return where a browser that is nobody's is sent."""

    def xsrf_token(self, handler: Any) -> bytes:
        """Return what a page sends back with each change."""


class HubLogin:
    """JupyterHub knows the owner and the scopes of a token or a cookie."""

    def __init__(self, auth: HubOAuth) -> None:
        self._auth = auth

    async def user(self, handler: Any) -> Model | None:
        """Ask the hub; a cookie's write needs its XSRF token."""
        model = await self._auth.get_user(handler, sync=False)
        try:
            return handler.check_hub_user(model) if model else None
        except UserNotAllowed:
            raise HTTPError(403, "this user may not use the service") from None

    def url(self, handler: Any) -> str:
        """Return the hub's login."""
        return str(HubOAuthenticated.get_login_url(handler))

    def xsrf_token(self, handler: Any) -> bytes:
        """Return the one that is signed for the hub's session."""
        token: bytes = HubOAuthenticated.xsrf_token.fget(handler)
        return token


class KubeflowLogin:
    """A person whom the gateway names, a Notebook that shows its own token, or a pipeline's robot.

    - the header with a person's name is believed only beside the gateway's secret
    - a program in a Notebook has a token that Kubernetes bound to its pod: it acts for the owner
      of the namespace, and saves that desktop only, whatever headers it sends
    - a ServiceAccount on the list of robots publishes, and does nothing else; its token comes
      itself, or the gateway has looked at it and names the account
    - one request is one of these: what shows the gateway's secret is never a Notebook's, since
      Kubeflow's gateway sends a token of its own login along
    """

    def __init__(
        self,
        notebooks: Notebooks,
        reviews: Reviews,
        *,
        secret: str,
        header: str,
        prefix: str,
        admins: Collection[str],
        robots: Collection[str] = (),
    ) -> None:
        """`robots` are ServiceAccounts, as `namespace:name`."""
        self._notebooks = notebooks
        self._reviews = reviews
        self._secret = secret.encode()
        self._header = header
        self._prefix = prefix
        self._admins = frozenset(admins)
        self._robots = frozenset(robots)

    async def user(self, handler: Any) -> Model | None:
        """Return who it is; Unauthenticated when nobody vouches for them."""
        headers = handler.request.headers
        kind, _, token = headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and PROOF_HEADER not in headers:
            return await self._program(token.strip())
        name = self._named(handler)
        if name.startswith(ACCOUNT):
            # No browser has such a name, so no page can make one send it.
            return _robot(name)
        if handler.request.method not in SAFE:
            # The gateway vouches for what any page makes a browser send, and a page of another
            # host of the same domain can set our cookie.
            if headers.get("Sec-Fetch-Site", "none") not in OWN_PAGES:
                raise HTTPError(403, "this came from the page of another site")
            RequestHandler.check_xsrf_cookie(handler)
        scopes = [READ, WRITE, *([ADMIN] if name in self._admins else [])]
        return _model(name, scopes)

    def url(self, handler: Any) -> str:
        """Say that there is no such page: who is not believed never comes so far."""
        raise HTTPError(401)

    def xsrf_token(self, handler: Any) -> bytes:
        """Return Tornado's own, which a cookie repeats."""
        token: bytes = RequestHandler.xsrf_token.fget(handler)  # type: ignore[attr-defined]
        return token

    def _named(self, handler: Any) -> str:
        headers = handler.request.headers
        proof = headers.get(PROOF_HEADER, "").encode()
        if not hmac.compare_digest(proof, self._secret):
            raise Unauthenticated(
                "not_from_gateway",
                sentence(
                    "This request did not come through Kubeflow's gateway, which says who you "
                    "are. Nothing was done. Open the page from Kubeflow."
                ),
            )
        # Twice the same header would be one that somebody added to the gateway's.
        names = headers.get_list(self._header)
        name = self._name(names[0]) if len(names) == 1 else ""
        if not name:
            raise Unauthenticated(
                "nobody_named",
                sentence(
                    "Kubeflow's gateway did not say who you are ({header}). Nothing was done. "
                    "Log in again, or tell your administrator."
                ),
                header=self._header,
            )
        return name

    def _name(self, header: str) -> str:
        """Return a person's name; empty when the header has none."""
        try:
            # HTTP's headers are Latin-1, the gateway's are UTF-8.
            text = header.encode("latin-1").decode()
        except UnicodeError:
            return ""
        # The prefix is of people's names alone.
        if text.startswith(ACCOUNT) and text.removeprefix(ACCOUNT) in self._robots:
            return text
        name = text.removeprefix(self._prefix)
        named = text.startswith(self._prefix) and 0 < len(name) <= NAME_LENGTH
        program = name.startswith(PROGRAMS) or text.startswith(PROGRAMS)
        return name if named and name.isprintable() and not program else ""

    async def _program(self, token: str) -> Model:
        account = await self._reviews.account(token)
        if account and account.name in self._robots:
            return _robot(ACCOUNT + account.name)
        return await self._notebook(account.pod if account else None)

    async def _notebook(self, identity: PodIdentity | None) -> Model:
        if identity is None:
            raise Unauthenticated(
                "token_unknown",
                sentence(
                    "This token is no desktop's, or its desktop has stopped. Nothing was done."
                ),
            )
        server = await self._notebooks.of_pod(identity)
        owner = await self._reviews.owner(identity.namespace) if server else ""
        if server is None or not owner:
            raise Forbidden(
                "no_notebook",
                sentence(
                    "The pod {pod} of the namespace {namespace} is no desktop that can be saved "
                    "here. An administrator can add the namespace to kubeflow.notebooks."
                    "namespaces; it needs an owner, too."
                ),
                pod=identity.name,
                namespace=identity.namespace,
            )
        return _model(owner, [READ, f"{SAVE}!server={server.user}/{server.name}"])


def _robot(name: str) -> Model:
    return {"kind": "service", "name": name, "groups": [], "scopes": [PUBLISH]}


def _model(name: str, scopes: list[str]) -> Model:
    return {"kind": "user", "name": name, "groups": [], "scopes": scopes}
