"""The tables that the migrations make are the tables that the program uses."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hub_service.database import open_database
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
