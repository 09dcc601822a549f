"""Money that comes through somebody else's gateway: orders, their steps, notices, differences, and guests at the tills."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("""
        CREATE TABLE channel_orders (
            bucket smallint NOT NULL,
            id uuid NOT NULL,
            channel text NOT NULL,
            purpose text NOT NULL CONSTRAINT channel_orders_purpose_check CHECK (purpose IN ('top_up', 'guest_payment')),
            holder_id uuid,
            region_id uuid NOT NULL,
            caller text NOT NULL,
            key text NOT NULL,
            amount_fen bigint NOT NULL CONSTRAINT channel_orders_amount_fen_check CHECK (amount_fen > 0),
            state text NOT NULL CONSTRAINT channel_orders_state_check CHECK (state IN (
                'written', 'unknown', 'waiting', 'failed', 'closed', 'disputed', 'succeeded', 'cancelling', 'cancelled')),
            step_count smallint NOT NULL,
            trade_no text,
            qr_text text,
            confirmed_fen bigint,
            refusal text,
            asking_until timestamptz,
            looks smallint NOT NULL,
            look_due_at timestamptz,
            opened_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL,
            PRIMARY KEY (bucket, id),
            UNIQUE (bucket, caller, key),
            CONSTRAINT channel_orders_holder_check CHECK ((purpose = 'top_up') = (holder_id IS NOT NULL))
        )
    """)
    op.execute(
        "COMMENT ON COLUMN channel_orders.asking_until IS 'Until when a process is believed to be asking for the first answer'"
    )
    op.execute("COMMENT ON COLUMN channel_orders.look_due_at IS 'Set by the timer: the worker is to ask the gateway'")
    op.execute("CREATE INDEX channel_orders_look_idx ON channel_orders (look_due_at) WHERE look_due_at IS NOT NULL")
    op.execute("""
        CREATE TABLE channel_steps (
            bucket smallint NOT NULL,
            order_id uuid NOT NULL,
            ordinal smallint NOT NULL,
            word text NOT NULL,
            state text NOT NULL,
            rank smallint NOT NULL,
            source text NOT NULL CONSTRAINT channel_steps_source_check
                CHECK (source IN ('us', 'answer', 'notice', 'look')),
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (bucket, order_id, ordinal)
        )
    """)
    op.execute("""
        CREATE TABLE channel_notices (
            channel text NOT NULL,
            notice_id text NOT NULL,
            order_name text NOT NULL,
            word text NOT NULL,
            amount_fen bigint,
            order_id uuid,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (channel, notice_id)
        )
    """)
    op.execute("""
        CREATE TABLE difference_cases (
            id uuid PRIMARY KEY,
            channel text NOT NULL,
            order_name text NOT NULL,
            order_id uuid,
            kind text NOT NULL CONSTRAINT difference_cases_kind_check
                CHECK (kind IN ('no_answer', 'amount_differs', 'account_closed', 'unknown_order')),
            expected_fen bigint,
            confirmed_fen bigint,
            opened_at timestamptz NOT NULL,
            resolved_at timestamptz
        )
    """)
    # The same difference told a hundred times is one case.
    op.execute("""
        CREATE UNIQUE INDEX difference_cases_open_idx ON difference_cases (channel, order_name, kind)
        WHERE resolved_at IS NULL
    """)
    op.execute("CREATE INDEX difference_cases_order_id_idx ON difference_cases (order_id)")
    op.execute("""
        CREATE TABLE guest_payments (
            bucket smallint NOT NULL,
            id uuid NOT NULL,
            region_id uuid NOT NULL,
            site_id uuid NOT NULL,
            terminal_id uuid NOT NULL,
            epoch integer NOT NULL,
            seq bigint NOT NULL,
            channel text NOT NULL,
            amount_fen bigint NOT NULL CONSTRAINT guest_payments_amount_fen_check CHECK (amount_fen > 0),
            status text NOT NULL CONSTRAINT guest_payments_status_check
                CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
            business_date date NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (bucket, id)
        )
    """)
    op.execute("CREATE INDEX guest_payments_terminal_id_idx ON guest_payments (terminal_id, id)")
    op.execute("CREATE INDEX guest_payments_site_id_idx ON guest_payments (site_id, business_date)")
