"""Paying without a pay code: printed codes of canteens and tills, cards by their number, staff numbers with a PIN.

The directory of cards learns whose each card is, so that a payment knows its holder before it is queued.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("ALTER TABLE card_directory ADD COLUMN holder_id uuid")
    op.execute("""
        UPDATE card_directory d SET holder_id = c.holder_id
          FROM cards c WHERE c.bucket = d.bucket AND c.id = d.card_id
    """)
    op.execute("ALTER TABLE card_directory ALTER COLUMN holder_id SET NOT NULL")
    op.execute("COMMENT ON TABLE card_directory IS 'Which card a number is, and whose: a look-up beside the buckets'")
    op.execute("""
        CREATE TABLE payment_pins (
            person_id uuid PRIMARY KEY,
            pin_hash text NOT NULL,
            changed_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE place_codes (
            id uuid PRIMARY KEY,
            site_id uuid NOT NULL REFERENCES sites (id),
            terminal_id uuid REFERENCES terminals (id),
            issue integer NOT NULL CHECK (issue > 0),
            state text NOT NULL CHECK (state IN ('active', 'replaced', 'revoked')),
            issued_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL,
            UNIQUE NULLS NOT DISTINCT (site_id, terminal_id, issue)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX place_codes_one_live_idx ON place_codes (site_id, terminal_id) NULLS NOT DISTINCT
         WHERE state = 'active'
    """)
    op.execute("""
        ALTER TABLE sites ADD COLUMN latitude double precision, ADD COLUMN longitude double precision,
          ADD CONSTRAINT sites_coordinates_check CHECK (num_nonnulls(latitude, longitude) IN (0, 2)),
          ADD CONSTRAINT sites_on_earth_check CHECK (latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
    """)
