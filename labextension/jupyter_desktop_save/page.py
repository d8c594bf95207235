"""The files of the desktop page, and of the page of all tools."""

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

STATIC = Path(__file__).parent / "static"

_NOT_BUILT = (
    "The desktop page was not built. Nothing is wrong with the desktop itself. "
    "Run `npm ci && npm run build` in labextension/ and install it again."
)


class PageHandler(JupyterHandler, web.StaticFileHandler):
    """`desktop/`: the page itself, for people who are signed in.

    - It is asked for again when it has changed, so an upgraded image shows at once.
    - Scripts and styles come from this server only; nothing may frame the page but the hub.
    """

    page = "index.html"

    @web.authenticated
    async def get(  # type: ignore[override]
        self, path: str = "", include_body: bool = True
    ) -> None:
        """The page."""
        await self._serve(include_body)

    @web.authenticated
    async def head(self, path: str = "") -> None:  # type: ignore[override]
        """As get, without the body."""
        await self._serve(False)

    async def _serve(self, include_body: bool) -> None:
        if not (STATIC / self.page).exists():
            raise web.HTTPError(503, _NOT_BUILT)
        # Sets the cookie that the page sends back with every change it asks for.
        self.xsrf_token  # noqa: B018
        await web.StaticFileHandler.get(self, self.page, include_body)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")

    @property
    def content_security_policy(self) -> str:
        """Nothing but ourselves; `ws` is written out for browsers whose 'self' lacks it."""
        host = self.request.host
        return "; ".join(
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data: blob:",
                "font-src 'self'",
                f"connect-src 'self' ws://{host} wss://{host}",
                "frame-ancestors 'self'",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        )


class ToolsHandler(PageHandler):
    """`tools/`: everything that the session can show, as tiles."""

    page = "tools.html"


class AssetHandler(JupyterHandler, web.StaticFileHandler):
    """`desktop/<file>`: what the page loads.

    Code that anyone may read, so nobody is asked who they are: a hub signs in the request of a
    module script (CORS mode) only with an XSRF header, which a script element cannot send.
    """

    @allow_unauthenticated
    async def get(self, path: str, include_body: bool = True) -> None:
        """One file."""
        await web.StaticFileHandler.get(self, path, include_body)

    @allow_unauthenticated
    async def head(self, path: str) -> None:
        """As get, without the body."""
        await self.get(path, include_body=False)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")


class SlashHandler(JupyterHandler):
    """`desktop` without the slash: the page's addresses are relative to the folder."""

    @web.authenticated
    def get(self) -> None:
        """Send to the folder."""
        self.redirect(self.request.path + "/")


def page_handlers(base: str) -> list[Any]:
    """The routes of the page below `base` (which ends with a slash)."""
    return [
        (base + "desktop", SlashHandler),
        (base + r"desktop/(?:index\.html)?", PageHandler, {"path": str(STATIC)}),
        (base + "tools", SlashHandler),
        (base + "tools/", ToolsHandler, {"path": str(STATIC)}),
        (base + r"desktop/(.+)", AssetHandler, {"path": str(STATIC)}),
    ]
