"""What is left to do after jobs and deletions; what other programs offered, and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# SQLite counts up only what it calls INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the columns and the table; what has ended so far is settled."""
    op.add_column(
        "versions",
        sa.Column("offered_elsewhere", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "discarded",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("image", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
    )
    op.add_column(
        "jobs",
        sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.true()),
    )
    op.create_index("ix_jobs_settled", "jobs", ["settled"])
    # Few rows: what has ended keeps the default.
    op.execute(
        sa.text("UPDATE jobs SET settled = false WHERE state IN ('queued', 'running')")
    )
