"""Which known vulnerabilities are in a version."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column and the table: what is there already was never scanned."""
    op.add_column("versions", sa.Column("scan", sa.JSON, nullable=True))
    op.create_table(
        "scan_reports",
        sa.Column("digest", sa.String(255), primary_key=True),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("sbom", sa.LargeBinary, nullable=True),
    )
