"""The version that everybody starts, and the requests to publish one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the column and the table; what is published already stays at its active version."""
    op.add_column("images", sa.Column("published", BIG, nullable=True))
    op.execute("UPDATE images SET published = active WHERE visibility = 'published'")
    op.create_table(
        "publication_requests",
        sa.Column("id", BIG, primary_key=True),
        sa.Column(
            "image_id",
            BIG,
            sa.ForeignKey("images.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("number", BIG, nullable=False),
        sa.Column("note", sa.String(4000), nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("asked", MOMENT, nullable=False),
        sa.Column("decided", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(255), nullable=False),
        sa.Column("reason", sa.String(4000), nullable=False),
    )
