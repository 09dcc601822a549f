"""Real time: the events of each channel with their positions, the head of each channel, the relay's place."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Read and written all day by position within a channel; whole days go when they are old. The relay makes the days.
    op.execute("""
        CREATE TABLE channel_events (
            day date NOT NULL,
            channel text NOT NULL,
            position bigint NOT NULL CHECK (position > 0),
            event_id text NOT NULL,
            type text NOT NULL,
            version smallint NOT NULL,
            data text NOT NULL,
            happened_at timestamptz NOT NULL,
            PRIMARY KEY (channel, position, day)
        ) PARTITION BY RANGE (day)
    """)
    # Updated with every event: room on the page keeps those updates off the index.
    op.execute("""
        CREATE TABLE channel_heads (
            channel text PRIMARY KEY,
            position bigint NOT NULL CHECK (position >= 0)
        ) WITH (fillfactor = 60)
    """)
    op.execute("""
        CREATE TABLE relay_cursors (
            lane smallint PRIMARY KEY,
            n bigint NOT NULL CHECK (n >= 0)
        ) WITH (fillfactor = 20)
    """)
