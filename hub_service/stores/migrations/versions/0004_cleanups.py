"""The clean-ups of the image store."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "cleanups",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("asked_by", sa.String(255), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("started", MOMENT),
        sa.Column("ended", MOMENT),
        sa.Column("bytes_before", BIG),
        sa.Column("bytes_after", BIG),
        sa.Column("error", sa.JSON),
    )
