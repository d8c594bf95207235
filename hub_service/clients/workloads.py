"""What hub_service runs in the cluster: the Jobs that build an image, and those that try one."""

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from hub_service.clients.kube import TIMEOUT
from hub_service.errors import Unavailable, sentence

MADE, THERE, TAKEN = "made", "there", "taken"

JOB_LABEL = "desktops.jupyter.org/job"
"""On everything that belongs to a job: the job's id, or a name of one of its parts."""
BEGINNING = 64 * 1024
"""Bytes of a log that say why a program did not start: what comes later repeats itself."""


@dataclass(frozen=True)
class WorkloadPod:
    """A pod that works for a job."""

    name: str
    phase: str
    address: str
    ready: bool
    reason: str
    """Why it failed, in Kubernetes' words: OOMKilled, Evicted, DeadlineExceeded, …"""
    trouble: str
    """What keeps it from starting, such as ErrImagePull."""
    states: Mapping[str, str]
    """Container -> waiting, running, done or failed."""

    @property
    def ended(self) -> bool:
        """True when nothing runs in it any more."""
        return self.phase in ("Succeeded", "Failed")


class Workloads:
    """Jobs and pods of one namespace, by the id of the job that they belong to."""

    def __init__(self, api: client.ApiClient, *, namespace: str) -> None:
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)
        self._namespace = namespace

    async def create_job(
        self, body: Mapping[str, Any], config: Mapping[str, str] | None = None
    ) -> str:
        """Create a Job, with a ConfigMap of the same name if it needs files.

        Return MADE, THERE (it was made for this job before) or TAKEN (another job's is there).
        The ConfigMap belongs to the Job and goes with it. Asked twice for the same job, what
        is missing is made.
        """
        name = body["metadata"]["name"]
        made = await self._made(self._batch.create_namespaced_job, body)
        job = await self._call(self._batch.read_namespaced_job(name, self._namespace))
        if job is None:
            return TAKEN
        labels = body["metadata"]["labels"]
        if not made and (job.metadata.labels or {}).get(JOB_LABEL) != labels[JOB_LABEL]:
            return TAKEN
        if config is not None:
            await self._create_config(job, labels, config)
        return MADE if made else THERE

    async def _create_config(
        self, job: Any, labels: Mapping[str, str], config: Mapping[str, str]
    ) -> None:
        name = job.metadata.name
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name,
            "uid": job.metadata.uid,
        }
        metadata = {"name": name, "labels": labels, "ownerReferences": [owner]}
        content = {"metadata": metadata, "data": dict(config)}
        await self._made(self._core.create_namespaced_config_map, content)

    async def ensure_claim(self, body: Mapping[str, Any]) -> None:
        """Create a volume claim unless it is there."""
        await self._made(self._core.create_namespaced_persistent_volume_claim, body)

    async def pod(self, job: str) -> WorkloadPod | None:
        """Return the pod that works for a job; None when there is none (yet, or any more)."""
        found = await self._call(
            self._core.list_namespaced_pod(
                self._namespace,
                label_selector=f"{JOB_LABEL}={job}",
                _request_timeout=TIMEOUT,
            )
        )
        pods = sorted(found.items, key=lambda pod: pod.metadata.creation_timestamp)
        return _pod(pods[-1]) if pods else None

    async def remove(self, job: str) -> bool:
        """Remove what runs for a job; True once nothing is left."""
        selector = f"{JOB_LABEL}={job}"
        jobs = await self._call(
            self._batch.list_namespaced_job(self._namespace, label_selector=selector)
        )
        for one in jobs.items:
            await self._call(
                self._batch.delete_namespaced_job(
                    one.metadata.name, self._namespace, propagation_policy="Background"
                )
            )
        pods = await self._call(
            self._core.list_namespaced_pod(self._namespace, label_selector=selector)
        )
        for one in pods.items:
            if not one.metadata.deletion_timestamp:
                await self._call(
                    self._core.delete_namespaced_pod(
                        one.metadata.name, self._namespace, grace_period_seconds=5
                    )
                )
        return not jobs.items and not pods.items

    async def log(
        self, pod: str, container: str, *, follow: bool = True
    ) -> AsyncIterator[str]:
        """Yield the lines of a container's log from its start until it ends.

        Not to follow it means its beginning, as far as it is.
        """
        more = {"follow": True} if follow else {"limit_bytes": BEGINNING}
        call = self._core.read_namespaced_pod_log_without_preload_content(
            pod, self._namespace, container=container, **more
        )
        with translated():
            response = await call
            try:
                if response.status != 200:
                    raise ApiException(status=response.status, reason=response.reason)
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line.decode("utf-8", "replace")
                if rest:
                    yield rest.decode("utf-8", "replace")
            finally:
                response.close()

    async def _made(self, create: Any, body: Mapping[str, Any]) -> bool:
        """Create; False when something of that name is there."""
        try:
            with translated(but=409):
                await create(self._namespace, dict(body), _request_timeout=TIMEOUT)
        except ApiException:
            return False
        return True

    async def _call(self, call: Awaitable[Any]) -> Any:
        """Return the answer, None for what is not there."""
        try:
            with translated(but=404):
                return await call
        except ApiException:
            return None


@contextmanager
def translated(but: int = 0) -> Iterator[None]:
    """Turn what the cluster refuses into Unavailable, but for one status."""
    try:
        yield
    except (ApiException, ClientError, TimeoutError) as error:
        if isinstance(error, ApiException) and error.status == but:
            raise
        raise Unavailable(
            "cluster_unavailable",
            sentence(
                "The cluster does not answer. Nothing was changed. Try again in a minute."
            ),
            details={"why": str(error)[:500]},
        ) from error


def _pod(pod: Any) -> WorkloadPod:
    status = pod.status
    every = [
        *(status.init_container_statuses or ()),
        *(status.container_statuses or ()),
    ]
    reasons = [
        one.state.terminated.reason
        for one in every
        if one.state.terminated and one.state.terminated.exit_code
    ]
    troubles = [
        one.state.waiting.reason
        for one in every
        if one.state.waiting
        and one.state.waiting.reason not in ("PodInitializing", "ContainerCreating")
    ]
    return WorkloadPod(
        name=pod.metadata.name,
        phase=status.phase,
        address=status.pod_ip or "",
        ready=any(
            one.type == "Ready" and one.status == "True"
            for one in status.conditions or ()
        ),
        reason=status.reason or next(iter(reasons), ""),
        trouble=next(iter(troubles), ""),
        states={one.name: _state(one.state) for one in every},
    )


def _state(state: Any) -> str:
    if state.running:
        return "running"
    if state.terminated:
        return "failed" if state.terminated.exit_code else "done"
    return "waiting"
