"""What all handlers share: who asks, what they may, how answers and errors look."""

import json
import logging
from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from typing import Any, NoReturn, TypeVar

from jupyterhub.services.auth import HubOAuthenticated
from tornado.web import HTTPError, RequestHandler

from desktop_i18n import Translate, language_of, translator
from hub_service.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PublicError,
    Unauthenticated,
    Unavailable,
    sentence,
)
from hub_service.handlers.login import ADMIN, PUBLISH, READ, SAVE, WRITE, Login
from hub_service.models import Person, Server
from hub_service.pages.views import Views, public_error_view
from hub_service.services import Services

log = logging.getLogger(__name__)

__all__ = ["ADMIN", "PUBLISH", "READ", "SAVE", "WRITE"]
METRICS = "custom:desktops:metrics"
PROFILES = "custom:desktops:profiles"

STATUS: list[tuple[type[PublicError], int]] = [
    (BadRequest, 422),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
    # What an agent refused: the desktop is in a state in which it cannot be saved.
    (PublicError, 409),
]

Handler = TypeVar("Handler", bound="BaseHandler")
Verb = Callable[..., Awaitable[None]]


class BaseHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """Knows the person and their language; gives errors their form."""

    # Nobody, before it was asked: a page that is refused sooner says so, and asks nobody.
    _hub_auth_user_cache: dict[str, Any] | None = None

    def initialize(self, services: Services, login: Login) -> None:
        """Take the objects of the running service."""
        self.services = services
        self.login = login

    async def prepare(self) -> None:
        """Find out who this is."""
        self._hub_auth_user_cache = await self.login.user(self)

    def get_login_url(self) -> str:
        """Return where to log in."""
        return self.login.url(self)

    @property
    def xsrf_token(self) -> bytes:
        """What a page sends back with each change."""
        return self.login.xsrf_token(self)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode a part of the address; what has a NUL names nothing, and no database takes it."""
        text: str = super().decode_argument(value, name)
        if name is None and "\0" in text:
            raise HTTPError(404)
        return text

    @property
    def _(self) -> Translate:
        return translator("hub_service", self.language)

    @property
    def language(self) -> str:
        """The language of the answer."""
        return language_of(self.request.headers.get("Accept-Language", ""))

    @property
    def person(self) -> Person:
        """Who asks."""
        model = self.current_user
        scopes = model.get("scopes", ())
        return Person(
            # A service that is not a person owns nothing: its name is no user's name.
            model["name"] if model.get("kind") == "user" else "",
            frozenset(model.get("groups") or ()),
            admin=ADMIN in scopes,
            session=None if _unlimited(scopes) else _session(scopes),
        )

    @property
    def views(self) -> Views:
        """Makes the wire forms."""
        services = self.services
        return Views(services.prefix, services.hub_prefix, services.picture_links)

    def require_scope(self, scope: str) -> None:
        """Raise Forbidden unless the token or login holds the scope; admin holds all but one."""
        scopes = self.current_user.get("scopes", ())
        held = scope in scopes or (ADMIN in scopes and scope != PROFILES)
        if scope == SAVE:
            held = _unlimited(scopes) or _session(scopes) is not None
        if not held:
            raise Forbidden(
                "scope_missing",
                sentence(
                    "This needs the permission {scope}, which you do not have here."
                ),
                scope=scope,
            )

    def on_finish(self) -> None:
        """Count the request."""
        self.services.metrics.request(
            type(self).__name__,
            str(self.request.method),
            self.get_status(),
            self.request.request_time(),
        )

    def set_default_headers(self) -> None:
        """Forbid what no page of ours needs."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")


class ApiHandler(BaseHandler):
    """Speaks JSON."""

    def redirect_to_login(self) -> NoReturn:
        """Say 401 instead: a program cannot follow a login page."""
        raise HTTPError(401)

    def body(self, schema: str) -> dict[str, Any]:
        """Return the request's JSON body after checking it against the contract."""
        try:
            body = json.loads(self.request.body or b"null", parse_constant=_refuse)
            self.services.contract.check(schema, body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(
                "invalid_json",
                sentence("The request is not valid JSON: {why}."),
                why=str(error),
            ) from error
        return dict(body)

    def send(self, answer: dict[str, Any], status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.finish(answer)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every error in the one form of the API."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, PublicError):
            self.set_status(status_of(error))
            self.finish({"error": public_error_view(error, self._)})
            return
        if status_code == 405:
            self.set_header("Allow", ", ".join(verbs_of(type(self))))
        sentences = {
            400: self._("This request cannot be understood."),
            401: self._(
                "You are not logged in, or your login has ended. Log in again."
            ),
            403: self._("You may not do this."),
            404: self._("There is nothing at this address."),
            405: self._("This cannot be done at this address."),
        }
        message = sentences.get(
            status_code,
            self._("Something went wrong on our side. Nothing was lost. Try again."),
        )
        code = {
            400: "bad_request",
            401: "not_logged_in",
            403: "forbidden",
            404: "not_found",
            405: "bad_method",
        }
        self.finish(
            {
                "error": {
                    "code": code.get(status_code, "internal_error"),
                    "message": message,
                    "details": {},
                }
            }
        )

    def log_exception(self, *exc_info: Any) -> None:
        """Log defects whole, what a person did wrong in a line."""
        if isinstance(exc_info[1], PublicError):
            log.info(
                "%s %s: %s", self.request.method, self.request.path, exc_info[1].code
            )
            return
        super().log_exception(*exc_info)


class NothingHandler(ApiHandler):
    """What is below the API's address and is none of its paths."""

    async def prepare(self) -> None:
        """Say so in the API's form, whoever asks."""
        raise HTTPError(404)


def _refuse(name: str) -> NoReturn:
    """Refuse NaN and Infinity: they are no JSON, and no database takes them."""
    raise ValueError(f"{name} is no number")


def _unlimited(scopes: Collection[str]) -> bool:
    """Say whether all of a person's desktops may be saved."""
    return not {SAVE, WRITE, ADMIN}.isdisjoint(scopes)


def _session(scopes: Collection[str]) -> Server | None:
    """Return the desktop that a token was made for; its scope names it (`!server=user/name`)."""
    for scope in scopes:
        granted, _, place = scope.partition("!server=")
        if granted == SAVE and place:
            user, _, name = place.partition("/")
            return Server(user, name)
    return None


def verbs_of(handler: type[RequestHandler]) -> list[str]:
    """Return the verbs that a handler knows."""
    return [
        verb
        for verb in RequestHandler.SUPPORTED_METHODS
        if getattr(handler, verb.lower()) is not getattr(RequestHandler, verb.lower())
    ]


def status_of(error: PublicError) -> int:
    """Return the HTTP status that an error means."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def needs_scope(scope: str) -> Callable[[Verb], Verb]:
    """Let a verb be used only by somebody who is logged in and holds the scope."""

    def decorate(verb: Verb) -> Verb:
        @wraps(verb)
        async def guarded(self: BaseHandler, *args: str) -> None:
            if not self.current_user:
                raise HTTPError(401)
            self.require_scope(scope)
            await verb(self, *args)

        guarded.required_scope = scope  # type: ignore[attr-defined]
        return guarded

    return decorate
