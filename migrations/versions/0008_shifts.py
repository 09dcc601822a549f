"""The counter: shifts of cashiers, their PINs, what was given back in a shift, and the printers of the tills."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("""
        CREATE TABLE till_pins (
            person_id uuid PRIMARY KEY REFERENCES people,
            pin_hash text NOT NULL,
            changed_by text NOT NULL,
            changed_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE shifts (
            id uuid PRIMARY KEY,
            canteen_id uuid NOT NULL REFERENCES canteens,
            terminal_id uuid NOT NULL REFERENCES terminals,
            cashier_id uuid NOT NULL REFERENCES people,
            state text NOT NULL CONSTRAINT shifts_state_check CHECK (state IN ('open', 'handed_over')),
            business_date date NOT NULL,
            opened_at timestamptz NOT NULL,
            after jsonb NOT NULL,
            until jsonb,
            handed_over_at timestamptz,
            handed_over_by uuid REFERENCES people,
            sheet jsonb,
            CONSTRAINT shifts_handed_over_check CHECK (
                (state = 'handed_over') = (sheet IS NOT NULL)
                AND num_nonnulls(until, handed_over_at, handed_over_by, sheet) IN (0, 4)),
            CONSTRAINT shifts_order_check CHECK (handed_over_at >= opened_at)
        )
    """)
    op.execute("COMMENT ON COLUMN shifts.after IS 'Where the journal stood at its opening, {lane: n}'")
    op.execute("COMMENT ON COLUMN shifts.until IS 'Where the journal stood at the hand-over, {lane: n}'")
    op.execute("CREATE UNIQUE INDEX shifts_one_open_idx ON shifts (terminal_id) WHERE state = 'open'")
    op.execute("CREATE INDEX shifts_canteen_id_idx ON shifts (canteen_id, id)")
    op.execute("CREATE INDEX shifts_terminal_id_idx ON shifts (terminal_id, id)")
    op.execute("""
        CREATE TABLE shift_returns (
            shift_id uuid NOT NULL REFERENCES shifts,
            ordinal integer NOT NULL CONSTRAINT shift_returns_ordinal_check CHECK (ordinal > 0),
            reversal_id uuid NOT NULL UNIQUE,
            payment_id uuid NOT NULL,
            kind text NOT NULL CONSTRAINT shift_returns_kind_check CHECK (kind IN ('void', 'refund')),
            amount_fen bigint NOT NULL CONSTRAINT shift_returns_amount_fen_check CHECK (amount_fen > 0),
            signed_by uuid NOT NULL REFERENCES people,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (shift_id, ordinal)
        )
    """)
    op.execute("""
        CREATE TABLE till_printers (
            terminal_id uuid PRIMARY KEY REFERENCES terminals,
            address text NOT NULL,
            columns smallint NOT NULL CONSTRAINT till_printers_columns_check CHECK (columns BETWEEN 24 AND 64),
            changed_at timestamptz NOT NULL
        )
    """)
    op.execute("ALTER TABLE canteens ADD COLUMN returns_need_shift boolean NOT NULL DEFAULT false")
    # A shift's requests are the last hours of one till among all: they stand together at the end of the table, and a
    # summary of blocks finds them without costing the payments an index.
    op.execute("CREATE INDEX terminal_requests_recorded_at_idx ON terminal_requests USING brin (recorded_at)")
