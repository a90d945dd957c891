"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clock_id", sa.Text(), nullable=False),
        sa.Column("hclk_hz", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock")),
        sa.UniqueConstraint("clock_id", name=op.f("uq_clock_clock_id")),
    )
    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("compiler", sa.Text(), nullable=False),
        sa.Column("opt_level", sa.Text(), nullable=False),
        sa.Column("flash_bytes", sa.BigInteger(), nullable=False),
        sa.Column("text_bytes", sa.BigInteger(), nullable=False),
        sa.Column("rodata_bytes", sa.BigInteger(), nullable=False),
        sa.Column("data_bytes", sa.BigInteger(), nullable=False),
        sa.Column("bss_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kernel_code_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kernel_rodata_bytes", sa.BigInteger(), nullable=False),
        sa.Column("workload_rodata_bytes", sa.BigInteger(), nullable=False),
        sa.Column("workload_ram_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint(
            "sha256",
            "compiler",
            "opt_level",
            "flash_bytes",
            "text_bytes",
            "rodata_bytes",
            "data_bytes",
            "bss_bytes",
            "kernel_code_bytes",
            "kernel_rodata_bytes",
            "workload_rodata_bytes",
            "workload_ram_bytes",
            name=op.f("uq_image_sha256"),
        ),
    )
    op.create_table(
        "station",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("mcu", sa.Text(), nullable=False),
        sa.Column("core", sa.Text(), nullable=False),
        sa.CheckConstraint("source IN ('hardware', 'virtual', 'published')", name=op.f("ck_station_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station")),
        sa.UniqueConstraint("name", "source", "board", "mcu", "core", name=op.f("uq_station_name")),
    )
    op.create_table(
        "workload",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("primitive", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("flavor", sa.Text(), nullable=False),
        sa.Column("opt_level", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workload")),
        sa.UniqueConstraint("primitive", "params", "dtype", "flavor", "opt_level", name=op.f("uq_workload_primitive")),
    )
    op.create_table(
        "point",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("workload_id", sa.Integer(), nullable=False),
        sa.Column("clock_id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["clock_id"], ["clock.id"], name=op.f("fk_point_clock_id")),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name=op.f("fk_point_station_id")),
        sa.ForeignKeyConstraint(["workload_id"], ["workload.id"], name=op.f("fk_point_workload_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point")),
        sa.UniqueConstraint("workload_id", "clock_id", "station_id", name=op.f("uq_point_workload_id")),
    )
    op.create_index(op.f("ix_point_clock_id"), "point", ["clock_id"], unique=False)
    op.create_index(op.f("ix_point_station_id"), "point", ["station_id"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("point_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("bench_version", sa.Text(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.CheckConstraint("(verdict = 'accepted') = (reason = '')", name=op.f("ck_run_reason")),
        sa.CheckConstraint("verdict IN ('accepted', 'rejected')", name=op.f("ck_run_verdict")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_run_image_id")),
        sa.ForeignKeyConstraint(["point_id"], ["point.id"], name=op.f("fk_run_point_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_image_id"), "run", ["image_id"], unique=False)
    op.create_index(op.f("ix_run_measured_at_id"), "run", ["measured_at", "id"], unique=False)
    op.create_index(op.f("ix_run_point_id"), "run", ["point_id"], unique=False)
    op.create_index(
        op.f("ix_run_verdict_point_id_measured_at_id"),
        "run",
        ["verdict", "point_id", "measured_at", "id"],
        unique=False,
    )
    op.create_table(
        "cycle_run",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("warmup", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("stack_bytes", sa.BigInteger(), nullable=False),
        sa.Column("output_sha256", sa.Text(), nullable=False),
        sa.Column("kernel_cycles", sa.JSON(), nullable=False),
        sa.Column("empty_cycles", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_cycle_run_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_cycle_run")),
    )
    op.create_table(
        "energy_run",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("loops", sa.BigInteger(), nullable=False),
        sa.Column("window_cycles", sa.BigInteger(), nullable=False),
        sa.Column("loop_empty_cycles", sa.BigInteger(), nullable=False),
        sa.Column("window_s", sa.Double(), nullable=False),
        sa.Column("window_resolution_s", sa.Double(), nullable=False),
        sa.Column("vdd_v", sa.Double(), nullable=False),
        sa.Column("vdd_measured", sa.Boolean(), nullable=False),
        sa.Column("temperature_degc", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_energy_run_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_energy_run")),
    )
    op.create_table(
        "result",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("cycles", sa.Double(), nullable=False),
        sa.Column("cycles_overhead", sa.Double(), nullable=False),
        sa.Column("latency_s", sa.Double(), nullable=False),
        sa.Column("latency_u95_s", sa.Double(), nullable=False),
        sa.Column("sysclk_measured_hz", sa.Double(), nullable=True),
        sa.Column("vdd_v", sa.Double(), nullable=True),
        sa.Column("current_a", sa.Double(), nullable=True),
        sa.Column("idle_current_a", sa.Double(), nullable=True),
        sa.Column("power_w", sa.Double(), nullable=True),
        sa.Column("energy_j", sa.Double(), nullable=True),
        sa.Column("energy_u95_j", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_result_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_result")),
    )
    op.create_table(
        "current_window",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("mean_a", sa.Double(), nullable=False),
        sa.Column("std_a", sa.Double(), nullable=False),
        sa.Column("min_a", sa.Double(), nullable=False),
        sa.Column("max_a", sa.Double(), nullable=False),
        sa.Column("charge_c", sa.Double(), nullable=False),
        sa.CheckConstraint("kind IN ('active', 'idle')", name=op.f("ck_current_window_kind")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["energy_run.run_id"], name=op.f("fk_current_window_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "kind", name=op.f("pk_current_window")),
    )
    op.create_table(
        "trace",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("sample_rate_hz", sa.Double(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["energy_run.run_id"], name=op.f("fk_trace_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_trace")),
    )
    op.create_table(
        "uncertainty_term",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("standard_relative", sa.Double(), nullable=False),
        sa.Column("systematic", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("degrees_of_freedom", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["result.run_id"], name=op.f("fk_uncertainty_term_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_uncertainty_term")),
    )


def downgrade() -> None:
    """Drop everything."""
    op.drop_table("uncertainty_term")
    op.drop_table("trace")
    op.drop_table("current_window")
    op.drop_table("result")
    op.drop_table("energy_run")
    op.drop_table("cycle_run")
    op.drop_index(op.f("ix_run_verdict_point_id_measured_at_id"), table_name="run")
    op.drop_index(op.f("ix_run_point_id"), table_name="run")
    op.drop_index(op.f("ix_run_measured_at_id"), table_name="run")
    op.drop_index(op.f("ix_run_image_id"), table_name="run")
    op.drop_table("run")
    op.drop_index(op.f("ix_point_station_id"), table_name="point")
    op.drop_index(op.f("ix_point_clock_id"), table_name="point")
    op.drop_table("point")
    op.drop_table("workload")
    op.drop_table("station")
    op.drop_table("image")
    op.drop_table("clock")
