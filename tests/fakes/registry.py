"""A small distribution registry in memory: a real HTTP server, held to tests/conformance.

Its moods are what real registries differ in: how they ask for credentials, how they write
a Location, whether they mount.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

_ROUTE = re.compile(
    r"/v2/(?P<name>[a-z0-9/._-]+)/(?P<kind>blobs|manifests|tags)/(?P<rest>.*)"
)
_HEAD_LIMIT = 1 << 16


@dataclass
class Moods:
    """What the next requests will meet; tests set these while the server runs."""

    auth: str = "none"  # none, basic, bearer
    location: str = "relative"  # relative, absolute, foreign
    foreign_host: str = ""
    mounts: bool = True
    page: int = 1000
    fail: list[int] = field(default_factory=list)  # statuses for the next uploads' PUT
    lose_answers: int = 0  # store the next blobs, but break before answering
    expire_tokens: bool = False
    wrong_digests: int = 0  # answer the next PUTs with the digest of something else
    slow: float = 0.0  # seconds before every answer
    read_only: bool = False  # in maintenance: every change is answered with 405


class FakeRegistry:
    """`with FakeRegistry() as registry:` serves on `registry.url` until the end of the block."""

    def __init__(self, username: str = "user", password: str = "secret") -> None:
        self.moods = Moods()
        self.username, self.password = username, password
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, str] = {}
        self.tokens: dict[str, set[str]] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.foreign_authorizations: list[str | None] = []
        self.lock = threading.Lock()
        registry = self

        class Handler(_Handler):
            server_registry = registry

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def add_image(self, repository: str, tag: str, content: str = "") -> str:
        """Keep a small image under a tag, as if a pipeline had pushed it; give its digest."""
        layer = {"mediaType": "", "digest": _digest(content.encode()), "size": 1000}
        document = {"config": {**layer, "size": 2}, "layers": [layer]}
        kind = "application/vnd.oci.image.manifest.v1+json"
        return self.add_document(repository, tag, kind, document)

    def add_document(
        self, repository: str, tag: str, kind: str, document: Mapping[str, object]
    ) -> str:
        """Keep a manifest, or something like it, under a tag; give its digest."""
        data = json.dumps({"schemaVersion": 2, "mediaType": kind, **document}).encode()
        digest = _digest(data)
        with self.lock:
            self.manifests.setdefault(repository, {})[digest] = (kind, data)
            self.tags.setdefault(repository, {})[tag] = digest
        return digest

    def __enter__(self) -> FakeRegistry:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Quiet: clients that go away are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server_registry: FakeRegistry
    protocol_version = "HTTP/1.1"
    # A client that goes away without a word must not keep a thread for ever.
    timeout = 5

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: requests are kept in `requests`."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        registry = self.server_registry
        parts = urlsplit(self.path)
        registry.requests.append(
            (self.command, self.path, self.headers.get("Host", ""))
        )
        self.query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length) if length else b""
        if len(self.body) != length:
            self.close_connection = True
            return
        time.sleep(registry.moods.slow)
        if parts.path == "/token":
            return self._token(parse_qs(parts.query).get("scope", []))
        if registry.moods.location == "foreign" and "/foreign/" in parts.path:
            registry.foreign_authorizations.append(self.headers.get("Authorization"))
        elif not self._authorized(parts.path):
            return self._challenge()
        if registry.moods.read_only and self.command not in ("GET", "HEAD"):
            return self._answer(405, b"Method not allowed\n")
        if parts.path == "/v2/":
            return self._answer(200, b"{}")
        match = _ROUTE.fullmatch(parts.path.replace("/foreign/", "/"))
        if match is None:
            return self._error(404, "NAME_UNKNOWN")
        with registry.lock:
            getattr(self, f"_{match['kind']}")(match["name"], match["rest"])

    # Who may

    def _token(self, scopes: list[str]) -> None:
        if self.headers.get("Authorization") != self._basic():
            return self._error(401, "DENIED")
        token = uuid.uuid4().hex
        self.server_registry.tokens[token] = set(scopes)
        self._answer(200, json.dumps({"token": token}).encode())

    def _basic(self) -> str:
        registry = self.server_registry
        pair = f"{registry.username}:{registry.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def _authorized(self, path: str) -> bool:
        registry = self.server_registry
        header = self.headers.get("Authorization", "")
        if registry.moods.auth == "none":
            return True
        if registry.moods.auth == "basic":
            return header == self._basic()
        granted = registry.tokens.get(header.removeprefix("Bearer "))
        if granted is None:
            return False
        if registry.moods.expire_tokens and self.command == "PUT":
            registry.moods.expire_tokens = False
            registry.tokens.clear()
            return False
        match = _ROUTE.fullmatch(path)
        if match is None:
            return True
        need = "pull" if self.command in ("GET", "HEAD") else "push"
        return any(
            scope.startswith(f"repository:{match['name']}:")
            and need in scope.split(":")[-1]
            for scope in granted
        )

    def _challenge(self) -> None:
        realm = f"{self.server_registry.url}/token"
        value = 'Basic realm="fake"'
        if self.server_registry.moods.auth == "bearer":
            value = f'Bearer realm="{realm}",service="fake",scope="registry:catalog:*"'
        self._error(401, "UNAUTHORIZED", {"WWW-Authenticate": value})

    # What there is

    def _tags(self, name: str, rest: str) -> None:
        registry = self.server_registry
        if name not in registry.manifests:
            return self._error(404, "NAME_UNKNOWN")
        known = sorted(registry.tags.get(name, {}))
        last = self.query.get("last")
        after = [tag for tag in known if last is None or tag > last]
        page = after[: registry.moods.page]
        headers = {}
        if len(after) > len(page):
            link = f"/v2/{name}/tags/list?last={page[-1]}&n={registry.moods.page}"
            headers["Link"] = f'<{link}>; rel="next"'
        self._answer(200, json.dumps({"name": name, "tags": page}).encode(), headers)

    def _manifests(self, name: str, target: str) -> None:
        registry = self.server_registry
        if self.command == "PUT":
            return self._put_manifest(name, target)
        kept = registry.manifests.get(name, {})
        digest = (
            target if ":" in target else registry.tags.get(name, {}).get(target, "")
        )
        if digest not in kept:
            return self._error(404, "MANIFEST_UNKNOWN")
        if self.command == "DELETE":
            del kept[digest]
            for tag, held in list(registry.tags.get(name, {}).items()):
                if held == digest:
                    del registry.tags[name][tag]
            return self._answer(202)
        media_type, data = kept[digest]
        self._answer(
            200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest}
        )

    def _put_manifest(self, name: str, target: str) -> None:
        registry = self.server_registry
        digest = "sha256:" + hashlib.sha256(self.body).hexdigest()
        if ":" in target and target != digest:
            return self._error(400, "DIGEST_INVALID")
        content = json.loads(self.body)
        wanted = [*content.get("layers", []), *filter(None, [content.get("config")])]
        have = registry.blobs.get(name, {})
        if any(item["digest"] not in have and not item.get("urls") for item in wanted):
            return self._error(400, "MANIFEST_BLOB_UNKNOWN")
        media_type = self.headers.get("Content-Type", "")
        registry.manifests.setdefault(name, {})[digest] = (media_type, self.body)
        if ":" not in target:
            registry.tags.setdefault(name, {})[target] = digest
        self._answer(201, headers={"Docker-Content-Digest": self._said(digest)})

    def _said(self, digest: str) -> str:
        moods = self.server_registry.moods
        if not moods.wrong_digests:
            return digest
        moods.wrong_digests -= 1
        return "sha256:" + "0" * 64

    def _blobs(self, name: str, rest: str) -> None:
        registry = self.server_registry
        if rest.startswith("uploads/"):
            return self._upload(name, rest.removeprefix("uploads/"))
        data = registry.blobs.get(name, {}).get(rest)
        if data is None:
            return self._error(404, "BLOB_UNKNOWN")
        if self.command == "DELETE":
            del registry.blobs[name][rest]
            return self._answer(202)
        self._answer(200, data, {"Docker-Content-Digest": rest})

    def _upload(self, name: str, session: str) -> None:
        registry = self.server_registry
        if self.command == "POST":
            return self._open_upload(name)
        if registry.uploads.get(session) != name:
            return self._error(404, "BLOB_UPLOAD_UNKNOWN")
        if self.command == "DELETE":
            del registry.uploads[session]
            return self._answer(204)
        if registry.moods.fail:
            return self._error(registry.moods.fail.pop(0), "UNKNOWN")
        digest = self.query.get("digest", "")
        if self.query.get("_state") != "a b=c" or not digest.startswith("sha256:"):
            return self._error(400, "BLOB_UPLOAD_INVALID")
        if "sha256:" + hashlib.sha256(self.body).hexdigest() != digest:
            return self._error(400, "DIGEST_INVALID")
        del registry.uploads[session]
        registry.blobs.setdefault(name, {})[digest] = self.body
        if registry.moods.lose_answers:
            registry.moods.lose_answers -= 1
            self.close_connection = True
            return
        self._answer(201, headers={"Docker-Content-Digest": self._said(digest)})

    def _open_upload(self, name: str) -> None:
        registry = self.server_registry
        digest, source = self.query.get("mount"), self.query.get("from")
        if digest and source and registry.moods.mounts:
            data = registry.blobs.get(source, {}).get(digest)
            if data is not None:
                registry.blobs.setdefault(name, {})[digest] = data
                return self._answer(201, headers={"Docker-Content-Digest": digest})
        session = uuid.uuid4().hex
        registry.uploads[session] = name
        # A query of its own, which a client may neither drop nor rebuild.
        path = f"/v2/{name}/blobs/uploads/{session}?_state=a%20b%3Dc"
        location = {
            "relative": path,
            "absolute": registry.url + path,
            "foreign": f"http://{registry.moods.foreign_host}/foreign" + path,
        }[registry.moods.location]
        self._answer(202, headers={"Location": location, "Docker-Upload-UUID": session})

    # How it says so

    def _error(
        self, status: int, code: str, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(
            {"errors": [{"code": code, "message": code.lower()}]}
        ).encode()
        self._answer(status, body, headers)

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
