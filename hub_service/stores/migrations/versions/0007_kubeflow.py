"""Images that are in Kubeflow's form too."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the column; nothing is there yet."""
    op.add_column(
        "images",
        sa.Column("kubeflow", sa.Boolean, nullable=False, server_default=sa.false()),
    )
