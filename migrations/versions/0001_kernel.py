"""The kernel's tables: lanes and outbox, the configuration version, stored answers."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE lanes (
            lane smallint PRIMARY KEY CHECK (lane BETWEEN 0 AND 999),
            opened_at timestamptz NOT NULL
        )
    """)
    op.execute("COMMENT ON TABLE lanes IS 'Sequences of commits: 0 the office, 1.. one posting process each'")
    op.execute("INSERT INTO lanes VALUES (0, timestamptz '2026-01-01T00:00:00Z')")
    op.execute("""
        CREATE TABLE outbox (
            lane smallint NOT NULL,
            n bigint NOT NULL CHECK (n > 0),
            recorded_at timestamptz NOT NULL,
            events text NOT NULL,
            PRIMARY KEY (lane, n)
        );
    """)
    op.execute("CREATE INDEX outbox_recorded_at_idx ON outbox USING brin (recorded_at)")
    op.execute("""
        CREATE TABLE configuration (
            id smallint PRIMARY KEY CHECK (id = 1),
            version bigint NOT NULL
        );
    """)
    op.execute("INSERT INTO configuration VALUES (1, 1)")
    op.execute("""
        CREATE TABLE idempotent_requests (
            caller text NOT NULL,
            key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
            body_hash bytea NOT NULL,
            status smallint NOT NULL,
            answer bytea NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (caller, key)
        );
    """)
    op.execute("CREATE INDEX idempotent_requests_recorded_at_idx ON idempotent_requests (recorded_at)")
