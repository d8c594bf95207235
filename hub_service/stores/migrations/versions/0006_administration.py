"""Icons, tags, order, limits and last starts of images; quotas; the retention rule."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the columns and tables; what is there already has an icon and no limits."""
    for column in (
        sa.Column("icon", sa.String(40), nullable=False, server_default="desktop"),
        sa.Column("tags", sa.String(600), nullable=False, server_default=""),
        sa.Column("position", BIG, nullable=True),
        sa.Column("limits", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("last_started", MOMENT, nullable=True),
    ):
        op.add_column("images", column)
    for column in (
        sa.Column("last_started", MOMENT, nullable=True),
        sa.Column("ancestors", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("since_root", sa.JSON, nullable=True),
        sa.Column("new_layers", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("layers_below", sa.JSON, nullable=False, server_default="{}"),
    ):
        op.add_column("versions", column)
    op.create_table(
        "quotas",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("bytes", BIG, nullable=True),
        sa.Column("versions", BIG, nullable=True),
        sa.UniqueConstraint("kind", "name"),
    )
    op.create_table(
        "retention_plans",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("days", BIG, nullable=False),
        sa.Column("made", MOMENT, nullable=False),
        sa.Column("made_by", sa.String(255), nullable=False),
        sa.Column("items", sa.JSON, nullable=False),
        sa.Column("ran", MOMENT, nullable=True),
        sa.Column("ran_by", sa.String(255), nullable=False),
    )
