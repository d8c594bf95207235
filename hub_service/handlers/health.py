"""Health, metrics, the contract, and JupyterHub's login callback."""

from jupyterhub.services.auth import HubOAuthCallbackHandler

from hub_service.handlers.base import METRICS, ApiHandler, needs_scope


class OpenHandler(ApiHandler):
    """Needs no login."""

    async def prepare(self) -> None:
        """Ask nobody."""


class HealthHandler(OpenHandler):
    """For Kubernetes' probes."""

    async def get(self) -> None:
        """Answer 200 while the database answers."""
        self.services.catalogue.totals()
        self.send({"status": "ok"})


class MetricsHandler(ApiHandler):
    """For Prometheus, which holds a token of a JupyterHub service."""

    @needs_scope(METRICS)
    async def get(self) -> None:
        """Return the figures."""
        metrics = self.services.metrics
        images, versions = self.services.catalogue.totals()
        metrics.images.set(images)
        metrics.versions.set(versions)
        metrics.unfinished.set(len(self.services.jobs.unfinished()))
        metrics.streams.set(self.services.feed.streams)
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(metrics.text())


class OpenApiHandler(OpenHandler):
    """The contract."""

    async def get(self) -> None:
        """Return openapi.json."""
        self.send(self.services.contract.document)


class CallbackHandler(HubOAuthCallbackHandler):  # type: ignore[misc]
    """Ends JupyterHub's login."""

    def initialize(self, **ignored: object) -> None:
        """Need nothing of the service."""


default_handlers = [
    (r"api/v1/healthz", HealthHandler),
    (r"api/v1/metrics", MetricsHandler),
    (r"api/v1/openapi.json", OpenApiHandler),
]
hub_handlers = [(r"oauth_callback", CallbackHandler)]
