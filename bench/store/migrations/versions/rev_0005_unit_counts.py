"""The counts of a job's images are in an index: summing them up, which pages do every second, reads no plans."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NARROW, WIDE = "ix_job_unit_job_id_state", "ix_job_unit_job_id_state_points_done_rejected"


def upgrade() -> None:
    """Widen the index."""
    op.create_index(op.f(WIDE), "job_unit", ["job_id", "state", "points", "done", "rejected"], unique=False)
    op.drop_index(op.f(NARROW), table_name="job_unit")


def downgrade() -> None:
    """Narrow it."""
    op.create_index(op.f(NARROW), "job_unit", ["job_id", "state"], unique=False)
    op.drop_index(op.f(WIDE), table_name="job_unit")
