"""The logs of builds, and the pictures of versions that were tried."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "job_logs",
        sa.Column("id", BIG, primary_key=True),
        sa.Column(
            "job",
            sa.String(40),
            sa.ForeignKey("jobs.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("start", BIG, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "pictures",
        sa.Column("digest", sa.String(255), primary_key=True),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
