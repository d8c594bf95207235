"""What the API server vouches for: whose token this is, and what a person may do."""

from dataclasses import dataclass
from typing import Any

from kubernetes.aio import client

from hub_service.clients.kube import TIMEOUT
from hub_service.clients.workloads import translated

ACCOUNT = "system:serviceaccount:"
"""How the name of a ServiceAccount begins; its namespace and its own follow."""
_POD = "authentication.kubernetes.io/pod-"


@dataclass(frozen=True)
class PodIdentity:
    """The pod that a token is bound to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Account:
    """A ServiceAccount that has a token for us."""

    name: str
    """Its namespace and its name: `ci:publisher`."""
    pod: PodIdentity | None
    """None when the token is bound to no pod: whoever may ask for tokens of the account has it."""


class Reviews:
    """TokenReviews and SubjectAccessReviews."""

    def __init__(self, api: client.ApiClient, *, audience: str) -> None:
        self._tokens = client.AuthenticationV1Api(api)
        self._access = client.AuthorizationV1Api(api)
        self._core = client.CoreV1Api(api)
        self._audience = audience

    async def account(self, token: str) -> Account | None:
        """Return whose token it is; None for every one that was not made for us."""
        if not token:
            # The API server calls that a request that is wrong.
            return None
        spec = client.V1TokenReviewSpec(token=token, audiences=[self._audience])
        with translated():
            answer: Any = await self._tokens.create_token_review(
                client.V1TokenReview(spec=spec), _request_timeout=TIMEOUT
            )
        status = answer.status
        if not status or not status.authenticated or not status.user:
            return None
        # An API server that knows no audiences says nothing of them.
        if self._audience not in (status.audiences or ()):
            return None
        username, extra = status.user.username or "", status.user.extra or {}
        if not username.startswith(ACCOUNT):
            return None
        account = username.removeprefix(ACCOUNT)
        [name], [uid] = [extra.get(f"{_POD}{one}") or [""] for one in ("name", "uid")]
        bound = PodIdentity(account.partition(":")[0], name, uid)
        return Account(account, bound if name and uid else None)

    async def may_update(self, user: str, namespace: str, notebook: str) -> bool:
        """Say whether a person may change a Notebook of Kubeflow's, by the cluster's own rules."""
        wanted = client.V1ResourceAttributes(
            group="kubeflow.org",
            resource="notebooks",
            verb="update",
            namespace=namespace,
            name=notebook,
        )
        spec = client.V1SubjectAccessReviewSpec(user=user, resource_attributes=wanted)
        with translated():
            answer: Any = await self._access.create_subject_access_review(
                client.V1SubjectAccessReview(spec=spec), _request_timeout=TIMEOUT
            )
        return bool(answer.status and answer.status.allowed)

    async def owner(self, namespace: str) -> str:
        """Return whose a namespace is, as Kubeflow's profiles write it; empty = nobody's."""
        with translated():
            found: Any = await self._core.read_namespace(
                namespace, _request_timeout=TIMEOUT
            )
        return str((found.metadata.annotations or {}).get("owner", ""))
