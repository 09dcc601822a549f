"""The door: attempts under way are found by what each beginning has noted, so that an intent's changes touch no index."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("""
        CREATE TABLE door_begun (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            begun_at timestamptz NOT NULL,
            site_ids uuid[] NOT NULL,
            intent_ids uuid[] NOT NULL
        )
    """)
    # What was under way while the tables were changed is found as well.
    op.execute("""
        INSERT INTO door_begun (begun_at, site_ids, intent_ids)
        SELECT attempted_at, ARRAY[site_id], ARRAY[id] FROM payment_intents WHERE state = 'processing'
    """)
    op.execute("DROP INDEX payment_intents_processing_idx")
    op.execute("DROP INDEX door_requests_open_idx")
