"""What is known of a version's vulnerabilities, and what is in it."""

from hub_service.errors import NotFound, sentence
from hub_service.handlers.base import READ, ApiHandler, needs_scope
from hub_service.handlers.images import IMAGE


class ScanHandler(ApiHandler):
    """The last scan of a version."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str, number: str) -> None:
        """Return its figures, and the worst findings one by one."""
        version = self.services.images.version(self.person, owner, name, int(number))
        findings = self.services.scans.shown(version)
        self.send({"scan": version.to_dict()["scan"], "findings": findings})


class SbomHandler(ApiHandler):
    """The SBOM of a version."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str, number: str) -> None:
        """Send it packed, as it is kept: an image decides what it says, and how long it is."""
        version = self.services.images.version(self.person, owner, name, int(number))
        packed = self.services.scan_reports.sbom(version.digest)
        if packed is None:
            raise NotFound(
                "sbom_not_found",
                sentence("Of version {number} it is not written down what is in it."),
                number=version.number,
            )
        self.set_header("Content-Type", "application/gzip")
        file = f"{name}-{number}.cdx.json.gz"
        self.set_header("Content-Disposition", f'attachment; filename="{file}"')
        self.finish(packed)


default_handlers = [
    (rf"{IMAGE}/versions/(\d{{1,9}})/scan", ScanHandler),
    (rf"{IMAGE}/versions/(\d{{1,9}})/sbom", SbomHandler),
]
