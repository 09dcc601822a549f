"""How long each promise of a repair took, and the indexes that figures of a span of days read."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE sla_milestones
            ADD COLUMN took_s integer,
            ADD CONSTRAINT sla_milestones_took_s_check
                CHECK (took_s IS NULL OR (took_s >= 0 AND reached_at IS NOT NULL))
        """
    )
    # What was reached before this version: the worker writes it down from here, and then it is empty.
    op.execute(
        "CREATE INDEX sla_milestones_took_s_idx ON sla_milestones (order_id) "
        "WHERE reached_at IS NOT NULL AND took_s IS NULL"
    )
    op.execute("CREATE INDEX work_orders_raised_at_idx ON work_orders (region_id, raised_at)")
    op.execute(
        "CREATE INDEX work_orders_finished_at_idx ON work_orders (region_id, finished_at) WHERE finished_at IS NOT NULL"
    )


def downgrade() -> None:
    raise NotImplementedError
