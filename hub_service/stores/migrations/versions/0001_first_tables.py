"""The first tables: images, shares, versions, jobs, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "images",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False, index=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("description", sa.String(4000), nullable=False),
        sa.Column("visibility", sa.String(20), nullable=False),
        sa.Column("active", BIG, nullable=True),
        sa.Column("last_number", BIG, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.UniqueConstraint("owner", "name"),
    )
    op.create_table(
        "shares",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("image_id", BIG, _image(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(255), nullable=False, index=True),
        sa.UniqueConstraint("image_id", "kind", "name"),
    )
    _create_versions()
    _create_jobs()
    op.create_table(
        "audit",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("at", MOMENT, nullable=False, index=True),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("target", sa.String(600), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )


def _image() -> sa.ForeignKey:
    return sa.ForeignKey("images.id", ondelete="CASCADE")


def _create_versions() -> None:
    op.create_table(
        "versions",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("image_id", BIG, _image(), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("digest", sa.String(255), nullable=False, index=True),
        sa.Column("reference", sa.String(600), nullable=False),
        sa.Column("note", sa.String(4000), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("new_bytes", BIG, nullable=False),
        sa.Column("layers", BIG, nullable=False),
        sa.Column("base", sa.JSON, nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.UniqueConstraint("image_id", "number"),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("owner", sa.String(255), nullable=False, index=True),
        sa.Column("server_user", sa.String(255), nullable=False),
        sa.Column("server_name", sa.String(255), nullable=False),
        sa.Column("image", sa.String(255), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON, nullable=True),
        sa.Column("result", sa.JSON, nullable=True),
        sa.Column("attempts", BIG, nullable=False),
        sa.Column("silent_since", MOMENT, nullable=True),
        sa.Column("cancel", sa.Boolean, nullable=False),
        sa.Column("created", MOMENT, nullable=False, index=True),
        sa.Column("started", MOMENT, nullable=True),
        sa.Column("ended", MOMENT, nullable=True),
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("audit", "jobs", "versions", "shares", "images"):
        op.drop_table(table)
