"""What is left to do after jobs and deletions; what other programs offered, and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# SQLite counts up only what it calls INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the column and the table; what has ended so far has been followed up."""
    op.add_column(
        "jobs",
        sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.execute(
        sa.text(
            "UPDATE jobs SET settled = true WHERE state NOT IN ('queued', 'running')"
        )
    )
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
