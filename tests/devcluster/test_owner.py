"""The lock and the record of the cluster's owner."""

from pathlib import Path

import pytest

from devcluster.errors import ClusterBusy
from devcluster.owner import Owner, OwnerRecord


def test_nobody_owns_a_machine_at_first(tmp_path: Path) -> None:
    assert OwnerRecord(tmp_path / "run").read() is None


def test_a_written_owner_is_read_again(tmp_path: Path) -> None:
    owner = Owner.now(Path("/src/here"), Path("/var/lib/state"))
    OwnerRecord(tmp_path / "run").write(owner)

    assert OwnerRecord(tmp_path / "run").read() == owner


def test_a_torn_record_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text('{"checkout": ')

    assert OwnerRecord(tmp_path).read() is None


def test_an_owner_is_a_checkout_and_a_state_whenever_it_came() -> None:
    first = Owner("/src/a", "/state", "2026-01-01")

    assert first.same_place(Owner("/src/a", "/state", "2026-02-02"))
    assert not first.same_place(Owner("/src/b", "/state", "2026-01-01"))
    assert not first.same_place(Owner("/src/a", "/other", "2026-01-01"))


def test_the_second_command_is_told_what_the_first_does(tmp_path: Path) -> None:
    with OwnerRecord(tmp_path).locked("devcluster up"):
        with pytest.raises(ClusterBusy, match="devcluster up"):
            with OwnerRecord(tmp_path).locked("devcluster down"):
                pass


def test_the_lock_is_free_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with OwnerRecord(tmp_path).locked("devcluster up"):
            raise ZeroDivisionError
    with OwnerRecord(tmp_path).locked("devcluster down"):
        pass
