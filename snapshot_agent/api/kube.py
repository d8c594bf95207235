"""The only Kubernetes client: whose token this is, and which pod of this node that is."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kubernetes.aio import client, config

from snapshot_agent.api.pod import Pod

log = logging.getLogger(__name__)

# Seconds, on every call. A pair of connect and read, which the client documents, fails in
# kubernetes.aio 37: aiohttp takes a number.
_TIMEOUT = 30.0


class KubeError(Exception):
    """The API server did not answer, or refused the agent itself."""


@dataclass(frozen=True)
class Identity:
    """Whose token it is."""

    username: str
    audiences: tuple[str, ...]


class Cluster(Protocol):
    """What the agent asks of Kubernetes."""

    async def review(self, token: str, audience: str) -> Identity | None: ...
    async def pod(self, uid: str) -> Pod | None: ...


class KubeCluster:
    """Asks the API server.

    - only pods of this node, in the allowed namespaces, with the label of sessions, exist;
    - KubeError is all that it raises.
    """

    def __init__(
        self,
        api: Any,
        *,
        node: str,
        namespaces: Iterable[str],
        label_selector: str,
        owner_annotation: str,
    ) -> None:
        self._api = api
        self._node = node
        self._namespaces = tuple(namespaces)
        self._label_selector = label_selector
        self._owner_annotation = owner_annotation

    @classmethod
    async def connect(
        cls,
        *,
        kubeconfig: str,
        node: str,
        namespaces: Iterable[str],
        label_selector: str,
        owner_annotation: str,
    ) -> KubeCluster:
        """The cluster that the pod is in, or the one of a kubeconfig file."""
        settings = client.Configuration()
        if kubeconfig:
            await config.load_kube_config(kubeconfig, client_configuration=settings)
        else:
            config.load_incluster_config(client_configuration=settings)
        api = client.ApiClient(settings)
        return cls(
            api,
            node=node,
            namespaces=namespaces,
            label_selector=label_selector,
            owner_annotation=owner_annotation,
        )

    async def close(self) -> None:
        await self._api.close()

    async def review(self, token: str, audience: str) -> Identity | None:
        """Whose token this is, None when it is not one for `audience`."""
        body = client.V1TokenReview(
            spec=client.V1TokenReviewSpec(token=token, audiences=[audience])
        )
        try:
            answer = await client.AuthenticationV1Api(self._api).create_token_review(
                body, _request_timeout=_TIMEOUT
            )
        except Exception as error:
            raise _wrapped(error) from error
        status = answer.status
        if status is None or not status.authenticated or status.user is None:
            return None
        return Identity(status.user.username or "", tuple(status.audiences or ()))

    async def pod(self, uid: str) -> Pod | None:
        """The session pod with this uid, None when there is none on this node."""
        for namespace in self._namespaces:
            try:
                answer = await client.CoreV1Api(self._api).list_namespaced_pod(
                    namespace,
                    field_selector=f"spec.nodeName={self._node}",
                    label_selector=self._label_selector,
                    _request_timeout=_TIMEOUT,
                )
            except Exception as error:
                raise _wrapped(error) from error
            for found in answer.items:
                if found.metadata is not None and found.metadata.uid == uid:
                    return _pod(found, self._owner_annotation)
        return None


class Reviews:
    """Remembers for a short time whose token it was, so that polling costs the cluster nothing."""

    def __init__(self, cluster: Cluster, audience: str, seconds: float = 30.0) -> None:
        self._cluster = cluster
        self._audience = audience
        self._seconds = seconds
        self._known: dict[str, tuple[float, Identity]] = {}

    async def identity(self, token: str) -> Identity | None:
        now = time.monotonic()
        self._known = {key: kept for key, kept in self._known.items() if kept[0] > now}
        if token in self._known:
            return self._known[token][1]
        found = await self._cluster.review(token, self._audience)
        if found is not None:
            self._known[token] = (now + self._seconds, found)
        return found


def _pod(found: Any, annotation: str) -> Pod:
    notes = found.metadata.annotations or {}
    running = {}
    for status in (found.status and found.status.container_statuses) or ():
        scheme, _, container_id = (status.container_id or "").partition("://")
        if status.state and status.state.running and scheme == "containerd":
            running[status.name] = container_id
    return Pod(
        uid=found.metadata.uid,
        name=found.metadata.name,
        namespace=found.metadata.namespace,
        owner=notes.get(annotation, "") if annotation else found.metadata.namespace,
        personal=bool(annotation),
        containers={} if found.metadata.deletion_timestamp else running,
    )


def _wrapped(error: Exception) -> KubeError:
    status = getattr(error, "status", None)
    log.warning(
        "the API server did not help: %s %s", type(error).__name__, status or error
    )
    return KubeError(f"the API server: {status or type(error).__name__}")
