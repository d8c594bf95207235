"""A small database of vulnerabilities in grype's own format (v6), and who serves it.

Format: grype's db/v6: an SQLite file `vulnerability.db` in an archive beside `latest.json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import zstandard

MODEL, REVISION, ADDITION = 6, 1, 10
TABLES = """
CREATE TABLE blobs (id integer PRIMARY KEY, value text NOT NULL);
CREATE TABLE db_metadata (build_timestamp datetime NOT NULL, model integer NOT NULL,
  revision integer NOT NULL, addition integer NOT NULL);
CREATE TABLE providers (id text PRIMARY KEY, version text, processor text, date_captured datetime,
  input_digest text);
CREATE TABLE vulnerability_handles (id integer PRIMARY KEY, name text NOT NULL,
  status text NOT NULL, published_date datetime, modified_date datetime,
  withdrawn_date datetime, provider_id text NOT NULL, blob_id integer);
CREATE TABLE operating_systems (id integer PRIMARY KEY, name text, release_id text,
  major_version text, minor_version text, label_version text, codename text, channel text,
  eol_date datetime, eoas_date datetime);
CREATE TABLE packages (id integer PRIMARY KEY, ecosystem text, name text);
CREATE TABLE affected_package_handles (id integer PRIMARY KEY, vulnerability_id integer NOT NULL,
  operating_system_id integer, package_id integer, blob_id integer);
"""


@dataclass(frozen=True)
class Vulnerability:
    """What is known of one package of Debian 12."""

    id: str
    package: str
    severity: str
    fixed_in: str = ""
    """The first version without it; empty = there is none."""


def write_database(
    folder: Path, known: Sequence[Vulnerability], built: datetime | None = None
) -> None:
    """Write archive and listing into a folder."""
    built = built or datetime.now(UTC)
    file = folder / "vulnerability.db"
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as database:
        database.executescript(TABLES)
        _fill(database, known, _moment(built))
    database.close()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(file, arcname="vulnerability.db")
    archive = zstandard.compress(buffer.getvalue())
    file.unlink()
    (folder / "vulnerability-db.tar.zst").write_bytes(archive)
    listing = {
        "status": "active",
        "schemaVersion": f"v{MODEL}.{REVISION}.{ADDITION}",
        "built": built.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "path": "vulnerability-db.tar.zst",
        "checksum": f"sha256:{hashlib.sha256(archive).hexdigest()}",
    }
    (folder / "latest.json").write_text(json.dumps(listing))


def _fill(
    database: sqlite3.Connection, known: Sequence[Vulnerability], built: str
) -> None:
    add = database.execute
    version = (built, MODEL, REVISION, ADDITION)
    add("INSERT INTO db_metadata VALUES (?, ?, ?, ?)", version)
    add("INSERT INTO providers VALUES ('debian', '1', 'tests', ?, 'xxh64:0')", (built,))
    add(
        "INSERT INTO operating_systems VALUES "
        "(1, 'debian', 'debian', '12', '', '', 'bookworm', '', NULL, NULL)"
    )
    packages = sorted({one.package for one in known})
    for number, name in enumerate(packages, start=1):
        add("INSERT INTO packages VALUES (?, 'deb', ?)", (number, name))
    for number, one in enumerate(known, start=1):
        severity = {"scheme": "CHMLN", "value": one.severity, "rank": 1}
        record = {"id": one.id, "severities": [severity]}
        fix = {
            "version": one.fixed_in,
            "state": "fixed" if one.fixed_in else "not-fixed",
        }
        constraint = f"< {one.fixed_in}" if one.fixed_in else ""
        ranges = [{"version": {"type": "dpkg", "constraint": constraint}, "fix": fix}]
        affected = {"cves": [one.id], "ranges": ranges}
        for id, value in ((2 * number, record), (2 * number + 1, affected)):
            add("INSERT INTO blobs VALUES (?, ?)", (id, json.dumps(value)))
        handle = (number, one.id, "active", built, built, None, "debian", 2 * number)
        marks = ", ".join("?" * len(handle))
        add(f"INSERT INTO vulnerability_handles VALUES ({marks})", handle)
        package = packages.index(one.package) + 1
        place = (number, number, 1, package, 2 * number + 1)
        add("INSERT INTO affected_package_handles VALUES (?, ?, ?, ?, ?)", place)


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S+00:00")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the folder; give the address of the listing."""
    server = ThreadingHTTPServer((host, 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}/latest.json"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
