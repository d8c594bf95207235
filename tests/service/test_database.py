"""The database, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

from hub_service.models import APPROVED, SHARED, Person, Server, Version
from hub_service.rules.quota import Quota, Usage
from hub_service.rules.retention_plan import DELETED, Item
from hub_service.stores.audit_log import AuditLog
from hub_service.stores.catalogue import Catalogue
from hub_service.stores.database import open_database, upgrade
from hub_service.stores.job_store import JobStore
from hub_service.stores.orm import Base
from hub_service.stores.publication_store import PublicationStore
from hub_service.stores.quota_store import QuotaStore
from hub_service.stores.retention_store import RetentionStore
from tests.service.databases import postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a.sqlite"
    server: str = request.getfixturevalue("server")
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def version(number: int, **fields: Any) -> Version:
    known: dict[str, Any] = {
        "digest": f"sha256:{number:064}",
        "reference": f"localhost:30500/desktops/alice/gis@sha256:{number:064}",
        "note": "ajoute l’été",
        "created": datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
        "size": 5_000_000_000,
        "new_bytes": 3_000_000_000,
        "layers": 16,
        "base": {"name": "base:1", "digest": "sha256:0"},
        "origin": {"name": "base:1", "digest": "sha256:0"},
    }
    return Version(number=number, **known | fields)


def test_what_had_ended_before_is_settled(url: str) -> None:
    engine = create_engine(url)
    upgrade(engine, "0007")
    states = ("queued", "running", "succeeded", "failed")
    columns = (
        "id, kind, state, owner, server_user, server_name, image, title, number, request, "
        "progress, attempts, cancel, created"
    )
    values = (
        ":state, 'commit', :state, 'a', 'a', '', 'i', 'I', 1, '{}', '{}', 1, "
        "false, '2026-01-01'"
    )
    with engine.begin() as connection:
        for state in states:
            insert = text(f"INSERT INTO jobs ({columns}) VALUES ({values})")
            connection.execute(insert, {"state": state})
    upgrade(engine)
    assert [job.state for job in JobStore(engine).open()] == ["queued", "running"]
    engine.dispose()


def test_the_migrations_make_the_tables_of_the_program(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_that_is_up_to_date_is_opened_again(url: str) -> None:
    for _ in range(2):
        open_database(url).dispose()


def test_what_was_published_before_stays_at_its_version(url: str) -> None:
    engine = create_engine(url)
    upgrade(engine, "0001")
    with engine.begin() as connection:
        for id, visibility in enumerate(("published", "private")):
            connection.execute(
                text(
                    "INSERT INTO images (id, owner, name, title, description, visibility, "
                    "active, last_number, created) VALUES "
                    f"({id}, 'alice', 'image-{id}', 't', '', '{visibility}', 3, 3, '2026-11-20')"
                )
            )
    upgrade(engine)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT published FROM images ORDER BY id")
        ).all()
    assert [row[0] for row in rows] == [3, None]
    engine.dispose()


def test_an_images_life(engine: Engine) -> None:
    catalogue = Catalogue(engine)
    for number in (1, 2):
        catalogue.add_version("alice", "gis", "Cartes d’été", version(number))
    # The same again changes nothing: a job may be interrupted right here.
    image = catalogue.add_version("alice", "gis", "Cartes d’été", version(2))
    assert [one.number for one in image.versions] == [2, 1]
    assert image.active_version == version(2)
    catalogue.change(
        "alice", "alice", "gis", visibility=SHARED, shared_groups={"course"}
    )
    bob = Person("bob", frozenset({"course"}))
    [seen] = catalogue.images_seen_by(bob, query="ÉTÉ").items
    assert seen.shared_groups == {"course"}
    assert catalogue.images_seen_by(Person("eve")).items == ()
    catalogue.remove_version("alice", "alice", "gis", 1)
    assert catalogue.last_number("alice", "gis") == 2
    assert catalogue.totals() == (1, 1)


def test_a_requests_life(engine: Engine) -> None:
    catalogue, requests = Catalogue(engine), PublicationStore(engine)
    catalogue.add_version("alice", "gis", "Cartes", version(1))
    asked = requests.add("alice", "alice", "gis", 1, "for the course")
    assert requests.latest(owner="alice", state="open") == [asked]
    decided = requests.decide("root", asked.id, APPROVED, "")
    assert (decided.image.published, decided.decided_by) == (1, "root")
    acts, following = AuditLog(engine).latest(query="gis", limit=2)
    assert [act.action for act in acts] == ["publication.approved", "publication.ask"]
    older, end = AuditLog(engine).latest(query="gis", cursor=following or "")
    assert ([act.action for act in older], end) == (["version.add"], None)
    # With the image go its requests.
    catalogue.remove_image("alice", "alice", "gis")
    assert requests.latest() == []


def test_a_versions_line_and_starts(engine: Engine) -> None:
    catalogue = Catalogue(engine)
    catalogue.add_version("alice", "gis", "Cartes", version(1))
    base = {"name": "gis", "digest": version(1).digest}
    catalogue.add_version("alice", "gis", "Cartes", version(2, base=base))
    line = catalogue.lineage("alice", "gis", 2)
    assert line and line.ancestors == (version(1).digest, "sha256:0")
    assert catalogue.lineage("alice", "gis", 3) is None
    assert catalogue.note_start("alice", "gis", 2)
    assert not catalogue.note_start("alice", "gis", 3)
    image = catalogue.image("alice", "gis")
    assert image and image.versions[0].last_started == image.last_started
    catalogue.change("alice", "alice", "gis", tags=["été", "gis"], limits={"cpu": 0.5})
    [seen] = catalogue.images_seen_by(Person("alice"), query="ÉTÉ").items
    assert (seen.tags, seen.limits) == (("été", "gis"), {"cpu": 0.5})
    catalogue.arrange("root", [("alice", "gis")])
    assert catalogue.images_seen_by(Person("alice")).items[0].position == 1


def test_what_was_made_before_has_looks_and_a_line(url: str) -> None:
    engine = create_engine(url)
    upgrade(engine, "0003")
    catalogue = Catalogue(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO images (id, owner, name, title, description, visibility, active, "
                "last_number, created) VALUES "
                "(1, 'alice', 'gis', 't', '', 'private', 1, 1, '2026-11-20')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO versions (id, image_id, number, digest, reference, note, created, "
                "size, new_bytes, layers, base, origin, details) VALUES "
                "(1, 1, 1, 'sha256:a', 'r', '', '2026-11-20', 1, 1, 1, :base, :base, '{}')"
            ),
            {"base": '{"name": "b", "digest": "sha256:b"}'},
        )
    upgrade(engine)
    image = catalogue.image("alice", "gis")
    assert image and (image.icon, image.tags, image.limits) == ("desktop", (), {})
    line = catalogue.lineage("alice", "gis", 1)
    assert line and (line.ancestors, line.packages) == (("sha256:b",), None)
    engine.dispose()


def test_a_quotas_life(engine: Engine) -> None:
    catalogue, quotas = Catalogue(engine), QuotaStore(engine)
    for number in (1, 2):
        catalogue.add_version("alice", "gis", "Cartes", version(number))
    catalogue.add_version("alice", "r", "R", version(3))
    catalogue.add_version("bob", "gis", "Cartes", version(4))
    assert quotas.usage("alice") == Usage(2, 3, 9_000_000_000)
    assert list(quotas.usages()) == ["alice", "bob"]
    # Two saves of one session share what did not change between them.
    for number, layers in ((5, {"a": 70}), (6, {"a": 70, "b": 5})):
        own = version(number, details={"new_layers": layers})
        catalogue.add_version("zoe", "gis", "Cartes", own)
    assert quotas.usage("zoe") == Usage(1, 2, 75)
    catalogue.remove_image("root", "zoe", "gis")
    assert list(quotas.usages(query="b")) == ["bob"]
    assert quotas.usage("eve") == Usage()
    rule = Quota("group", "été", 10**15, None)
    quotas.put("root", Quota("group", "été", 1, 1))
    quotas.put("root", rule)
    assert quotas.all() == [rule]
    assert quotas.remove("root", "group", "été")
    assert not quotas.remove("root", "group", "été")


def test_a_dry_runs_life(engine: Engine) -> None:
    catalogue, plans = Catalogue(engine), RetentionStore(engine)
    for number in (1, 2, 3):
        catalogue.add_version("alice", "gis", "Cartes", version(number))
    PublicationStore(engine).add("alice", "alice", "gis", 2, "")
    later = datetime(2026, 11, 21, tzinfo=UTC)
    [found] = plans.candidates(later)
    assert (found.number, found.created) == (1, version(1).created)
    assert plans.candidates(version(1).created) == []
    assert plans.layers()["alice", "gis", 1] == {version(1).digest: 3_000_000_000}
    plan = plans.add("root", 30, [Item.of(found, 5)])
    assert plans.latest() == [plan] == [plans.get(plan.id)]
    items = [replace(plan.items[0], state=DELETED)]
    done = plans.finish("root", plan.id, items)
    assert (done.ran_by, done.bytes_of(DELETED)) == ("root", 5)
    assert AuditLog(engine).actions()[:3] == [
        "publication.ask",
        "retention.dry-run",
        "retention.run",
    ]


def test_a_jobs_life(engine: Engine) -> None:
    jobs = JobStore(engine)
    job = jobs.add(
        kind="commit",
        id="0" * 32,
        owner="alice",
        server=Server("alice", "été"),
        image="gis",
        title="Cartes",
        number=1,
        request={"exclude": ["/a"]},
    )
    assert jobs.unfinished() == [job]
    moment = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
    ended = jobs.update(job.id, state="succeeded", ended=moment, result={"a": [1]})
    assert (ended.ended, ended.result) == (moment, {"a": [1]})
    assert jobs.unfinished() == []
    assert jobs.counts() == {"succeeded": 1}
    assert jobs.latest("alice") == ([ended], None)
    assert jobs.latest(None, query="CART", state="succeeded", kind="commit")[0] == [
        ended
    ]
    assert (
        jobs.latest(None, query="100%")[0] == jobs.latest(None, state="failed")[0] == []
    )
    cancelled = jobs.cancel("root", job.id)
    assert cancelled.cancel and AuditLog(engine).latest()[0][0].actor == "root"
