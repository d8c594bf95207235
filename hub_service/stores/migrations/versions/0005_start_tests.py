"""Whether a version was tried, and how that ended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column: what is there already was never tried."""
    op.add_column("versions", sa.Column("start_test", sa.JSON, nullable=True))
