"""Rows of look-up tables from elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "imported_point",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("primitive", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("flavor", sa.Text(), nullable=False),
        sa.Column("opt_level", sa.Text(), nullable=False),
        sa.Column("clock_id", sa.Text(), nullable=False),
        sa.Column("sysclk_hz", sa.Double(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('hardware', 'virtual', 'published')", name=op.f("ck_imported_point_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_point")),
        sa.UniqueConstraint(
            "source",
            "station",
            "board",
            "primitive",
            "params",
            "dtype",
            "flavor",
            "opt_level",
            "clock_id",
            name=op.f("uq_imported_point_source"),
        ),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("imported_point")
