"""What a person has put where new homes begin from, or deleted there, stays theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oci.reference import Digest
from snapshot_agent.capture.container import Desktop
from snapshot_agent.capture.ground import Ground
from snapshot_agent.exclusions import Rules
from snapshot_agent.tree.changes import Change, Kind

from .overlays import can_mount

pytestmark = pytest.mark.skipif(
    not can_mount(), reason="whiteouts need root with CAP_MKNOD"
)

HOME, DEFAULTS = "home/jovyan", "home_nbuser_default"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("plain", f"{DEFAULTS}/plain"),
        ("own", None),
        # The person has deleted the folder there: nothing may be put below the deletion.
        ("deleted", None),
        ("deleted/file", None),
        ("deleted/deep/file", None),
        ("file/below", None),
        ("folder/new", f"{DEFAULTS}/folder/new"),
        ("folder/own", None),
    ],
)
def test_where_a_file_of_the_home_goes_again(
    path: str, place: str | None, tmp_path: Path
) -> None:
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    (lower / DEFAULTS).mkdir(parents=True)
    (upper / DEFAULTS / "folder").mkdir(parents=True)
    for name in ("own", "file", "folder/own"):
        (upper / DEFAULTS / name).write_text("the person's")
    os.mknod(upper / DEFAULTS / "deleted", 0o020000, 0)
    desktop = Desktop(
        container_id="c",
        upper=str(upper),
        lowers=(str(lower),),
        parent="",
        image="",
        config_digest=Digest("sha256:" + "0" * 64),
        home=f"/{HOME}",
        mounts=(),
        env=(),
    )
    rules = Rules(home=f"/{HOME}", mounts=(), asked=(), include_home=True)
    with Ground(desktop, rules) as ground:
        defaults = ground.home_defaults(DEFAULTS)
        name = path.rpartition("/")[2]
        change = Change(f"{HOME}/{path}", Kind.FILE, name, -1)
        assert defaults.place(change) == place
