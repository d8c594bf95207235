"""Step 2: has grype's database of vulnerabilities in its folder, and says how old it is.

A database that cannot be had, or is too old, ends the scan: nothing is ever called free of
vulnerabilities because nobody knew of any.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from image_scanner.errors import ScanError
from image_scanner.events import write
from image_scanner.report import read_json
from image_scanner.running import run
from image_scanner.settings import Settings

STATUS_LIMIT = 1 << 20


def database(settings: Settings) -> None:
    """Bring the database, where an address says from where, and look at it."""
    if settings.database_url:
        try:
            run(settings, ["grype", "db", "update"], variables(settings))
        except ScanError as error:
            raise ScanError(
                "database_unreachable",
                "The database of vulnerabilities cannot be had.",
                **error.details,
            ) from error
    built = built_at(settings)
    age = datetime.now(UTC) - built
    write(f"database of {built:%Y-%m-%d %H:%M} UTC")
    if age > timedelta(days=settings.database_days):
        raise ScanError(
            "database_old",
            "The database of vulnerabilities is too old.",
            built=built.isoformat(),
        )


def variables(settings: Settings) -> dict[str, str]:
    """Return what tells grype where its database is; it never looks for another by itself."""
    return {
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_CACHE_DIR": str(settings.database),
        "GRYPE_DB_REQUIRE_UPDATE_CHECK": "true",
        "GRYPE_DB_UPDATE_URL": settings.database_url or "http://localhost/none",
        # Our own limit, with a sentence of its own.
        "GRYPE_DB_VALIDATE_AGE": "false",
    }


def built_at(settings: Settings) -> datetime:
    """Return when the database was made, or raise ScanError when there is none."""
    [*found] = settings.database.glob("*/import.json")
    if not found:
        raise ScanError(
            "database_unreachable", "There is no database of vulnerabilities."
        )
    return _built(status(settings))


def status(settings: Settings) -> dict[str, Any]:
    """Return what grype says of its database."""
    file = settings.work / "database-status.json"
    run(settings, ["grype", "db", "status", "-o", "json"], variables(settings), file)
    return read_json(file, STATUS_LIMIT)


def _built(found: dict[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(found["built"])
    except (KeyError, ValueError) as error:
        raise ScanError(
            "database_unreachable",
            "The database of vulnerabilities cannot be read.",
            why=json.dumps(found)[:500],
        ) from error
