"""The figures for Prometheus."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from hub_service.models import Job

METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")


class Metrics:
    """Counts what hub_service does; one registry an object, so tests see only their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._ended = Counter(
            "desktops_jobs_ended_total",
            "Jobs that reached an end, by state and error code.",
            ["kind", "state", "code"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "desktops_job_seconds",
            "Seconds from request to end of the jobs that succeeded.",
            ["kind"],
            buckets=(1, 2, 5, 10, 30, 60, 120, 300, 900),
            registry=self.registry,
        )
        self._bytes = Counter(
            "desktops_saved_bytes_total",
            "Compressed bytes of the layers that saves added.",
            registry=self.registry,
        )
        self._requests = Histogram(
            "desktops_request_seconds",
            "Seconds of a request, by handler, method and status.",
            ["handler", "method", "status"],
            registry=self.registry,
        )
        self.images = Gauge("desktops_images", "Images known.", registry=self.registry)
        self.versions = Gauge(
            "desktops_versions", "Versions known.", registry=self.registry
        )
        self.unfinished = Gauge(
            "desktops_jobs_unfinished",
            "Jobs that have no end yet.",
            registry=self.registry,
        )
        self.streams = Gauge(
            "desktops_event_streams",
            "Event streams that are open.",
            registry=self.registry,
        )

    def job_ended(self, job: Job) -> None:
        """Count a job's end."""
        code = job.error["code"] if job.error else ""
        self._ended.labels(job.kind, job.state, code).inc()
        if job.result and job.ended:
            self._seconds.labels(job.kind).observe(
                (job.ended - job.created).total_seconds()
            )
            self._bytes.inc(job.result["new_bytes"])

    def request(self, handler: str, method: str, status: int, seconds: float) -> None:
        """Count a request; a method that nobody knows is `other`, whatever it was."""
        method = method if method in METHODS else "other"
        self._requests.labels(handler, method, status).observe(seconds)

    def text(self) -> bytes:
        """Return Prometheus' text format."""
        return generate_latest(self.registry)
