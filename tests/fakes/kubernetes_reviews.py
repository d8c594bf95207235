"""What hub_service asks an API server about people: reviews, and whose a namespace is."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http import JsonHandler

AUDIENCE = "desktops-hub-service"


@dataclass
class FakeToken:
    """A ServiceAccount's token."""

    username: str
    audiences: list[str]
    extra: dict[str, list[str]] = field(default_factory=dict)


class FakeReviews:
    """Tokens, rights and owners of namespaces; tests change them while it runs."""

    def __init__(self) -> None:
        self.tokens: dict[str, FakeToken] = {}
        self.rights: set[tuple[str, str]] = set()
        """Who may update the Notebooks of which namespace."""
        self.owners: dict[str, str] = {}
        self.down = False
        self.asked: list[dict[str, Any]] = []
        """The attributes of every SubjectAccessReview."""

    def bind(
        self, token: str, namespace: str, pod: str, uid: str, audience: str = AUDIENCE
    ) -> str:
        """Let a token be one that Kubernetes bound to a pod; return it."""
        known = "authentication.kubernetes.io"
        extra = {f"{known}/pod-name": [pod], f"{known}/pod-uid": [uid]}
        account = f"system:serviceaccount:{namespace}:default-editor"
        self.tokens[token] = FakeToken(account, [audience], extra)
        return token

    def routes(self) -> list[Any]:
        """Return what the API server serves of it."""
        fake = {"fake": self}
        return [
            ("/apis/authentication.k8s.io/v1/tokenreviews", TokenHandler, fake),
            ("/apis/authorization.k8s.io/v1/subjectaccessreviews", AccessHandler, fake),
            ("/api/v1/namespaces/([^/]+)", NamespaceHandler, fake),
        ]


class TokenHandler(JsonHandler):
    """TokenReviews."""

    fake: FakeReviews

    def post(self) -> None:
        """Say whose token it is, for those of the audiences that it was made for."""
        spec = self.body["spec"]
        if not spec["token"]:
            return self.answer(400, {"kind": "Status", "status": "Failure"})
        known = self.fake.tokens.get(spec["token"])
        shared = [one for one in spec["audiences"] if known and one in known.audiences]
        status: dict[str, Any] = {"authenticated": False}
        if known and shared:
            user = {"username": known.username, "extra": known.extra}
            status = {"authenticated": True, "user": user, "audiences": shared}
        self.answer(201, {"kind": "TokenReview", "spec": spec, "status": status})


class AccessHandler(JsonHandler):
    """SubjectAccessReviews."""

    fake: FakeReviews

    def post(self) -> None:
        """Allow what the rights say, and nothing but updating Notebooks."""
        if self.fake.down:
            return self.answer(500, {"kind": "Status", "status": "Failure"})
        spec = self.body["spec"]
        wanted = spec["resourceAttributes"]
        self.fake.asked.append({"user": spec["user"], **wanted})
        known = [wanted[key] for key in ("group", "resource", "verb")]
        allowed = (spec["user"], wanted["namespace"]) in self.fake.rights
        status = {
            "allowed": allowed and known == ["kubeflow.org", "notebooks", "update"]
        }
        self.answer(
            201, {"kind": "SubjectAccessReview", "spec": spec, "status": status}
        )


class NamespaceHandler(JsonHandler):
    """A namespace."""

    fake: FakeReviews

    def get(self, name: str) -> None:
        """Return its annotations, with its owner as Kubeflow's profiles write it."""
        owner = self.fake.owners.get(name)
        notes = {"owner": owner} if owner else {}
        metadata = {"name": name, "annotations": notes}
        self.answer(200, {"kind": "Namespace", "metadata": metadata})
