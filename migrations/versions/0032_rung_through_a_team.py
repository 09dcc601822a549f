"""Calls: through which team a ring reached somebody, so that the right to see the call ends with their place in that team."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("ALTER TABLE call_rings ADD COLUMN team_id uuid")
