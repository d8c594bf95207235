"""What the fake hub service answers with: one plausible desktop and its save."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

BASE = "/services/desktops/api/v1"
TOKEN = "a-token-that-no-browser-may-see"

# Step and how long it takes.
STEPS = [
    ("plan", 0.12),
    ("read", 3.4),
    ("freeze", 0.06),
    ("push", 2.8),
    ("manifest", 0.2),
    ("verify", 0.3),
]

PREVIEW: dict[str, Any] = {
    "bytes": 412_000_000,
    "entries": 7018,
    "seconds_estimate": 20,
    "start_tests": True,
    "can_stop": True,
    "packages": {
        "added": [
            {"name": name, "version": "3.28", "kind": "apt"}
            for name in ["qgis-plugin-grass", "qgis-providers", "python3-qgis"]
            + [f"libqgis-part{number}" for number in range(28)]
        ],
        "removed": [
            {"name": "mousepad", "version": "0.5", "kind": "apt"},
            {"name": "xarchiver", "version": "0.5", "kind": "apt"},
        ],
        "upgraded": [{"name": "numpy", "from": "2.3", "to": "2.4", "kind": "pip"}],
    },
    "home": {
        "bytes": 38_000_000,
        "entries": 512,
        "on_volume": False,
        "path": "/home/jovyan",
        "biggest": [{"path": "/home/jovyan/.config/QGIS", "bytes": 21_000_000}],
    },
    "left_out": [
        {"path": "/home/jovyan/.ssh", "reason": "secret", "bytes": 4_100},
        {
            "path": "/home/jovyan/.mozilla/firefox/logins.json",
            "reason": "secret",
            "bytes": 900,
        },
        {"path": "/home/jovyan/.cache", "reason": "cache", "bytes": 1_100_000_000},
        {"path": "/tmp", "reason": "runtime", "bytes": 2_000_000},
    ],
    "biggest": [
        {"path": "/usr/lib/libqgis_core.so.3", "bytes": 61_000_000},
        {"path": "/home/jovyan/Downloads/tiles.mbtiles", "bytes": 12_000_000},
    ],
    "volumes": [],
    "saved_before": False,
    "image": {
        "owner": "alice",
        "name": "gis-course",
        "title": "GIS course",
        "next_version": 4,
    },
    "images": [
        {"name": "gis-course", "title": "GIS course", "next_version": 4},
        {"name": "statistics", "title": "Statistics", "next_version": 2},
    ],
    "quota": None,
}


def utc_now() -> str:
    """Now, as the wire writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_job(server: dict[str, str], title: str, kind: str = "commit") -> dict[str, Any]:
    """A job that waits for its turn."""
    job_id = uuid.uuid4().hex
    name = title.lower().replace(" ", "-")
    steps = [
        {
            "name": step,
            "state": "waiting",
            "seconds": None,
            "bytes_done": None,
            "bytes_total": None,
        }
        for step, _ in STEPS
    ]
    return {
        "id": job_id,
        "kind": kind,
        "state": "queued",
        "server": server,
        "image": {"owner": server["user"], "name": name, "title": title},
        "version": 4,
        "step": None,
        "steps": steps,
        "bytes_done": None,
        "bytes_total": None,
        "rate": None,
        "share": 0,
        "message": "Waiting for its turn",
        "error": None,
        "result": None,
        "created": utc_now(),
        "started": None,
        "ended": None,
        "staged": False,
        "links": links_of(job_id, server, name),
    }


def links_of(job_id: str, server: dict[str, str], name: str) -> dict[str, str]:
    """The links of a job that makes version 4 of an image."""
    user, prefix = server["user"], "/services/desktops"
    return {
        "self": f"{prefix}/api/v1/jobs/{job_id}",
        "events": f"{prefix}/api/v1/jobs/{job_id}/events",
        "log": f"{prefix}/api/v1/jobs/{job_id}/log",
        "page": f"{prefix}/jobs/{job_id}",
        "image": f"{prefix}/images/{user}/{name}",
        "start": f"/hub/spawn/{user}/{server['name']}?image={user}/{name}",
        "try": f"/hub/spawn/{user}/{name}-v4?image={user}/{name}@4",
    }
