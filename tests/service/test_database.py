"""The tables that the migrations make are the tables that the program uses."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from hub_service.database import open_database, upgrade
from hub_service.orm import Base


def test_the_migrations_make_the_tables_of_the_program(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/a.sqlite")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_database_that_is_up_to_date_is_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        open_database(f"sqlite:///{tmp_path}/a.sqlite").dispose()


def test_what_was_published_before_stays_at_its_version(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/a.sqlite")
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
