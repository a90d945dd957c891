"""Events (failures and recoveries), the order in which points were measured, and sentinels.

What older runs did not record stays unknown: their order is NULL, they count as measured at the first attempt, and none is a sentinel.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table ``event`` and four columns of ``run``."""
    op.add_column("run", sa.Column("order_seed", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("order_position", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("attempts", sa.BigInteger(), nullable=False, server_default=sa.text("1")))
    op.add_column("run", sa.Column("sentinel", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("point_id", sa.Integer(), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["point_id"], ["point.id"], name=op.f("fk_event_point_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_point_id"), "event", ["point_id"], unique=False)
    op.create_index(op.f("ix_event_at_id"), "event", ["at", "id"], unique=False)


def downgrade() -> None:
    """Forget events, order and sentinels."""
    op.drop_table("event")
    for name in ("sentinel", "attempts", "order_position", "order_seed"):
        op.drop_column("run", name)
