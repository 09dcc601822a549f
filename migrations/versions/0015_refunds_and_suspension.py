"""Accounts frozen for a suspension, refunds through a gateway, and differences that two people have closed."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("ALTER TABLE holders ADD COLUMN frozen_for_suspension boolean NOT NULL DEFAULT false")
    op.execute("""
        ALTER TABLE channel_orders
            ADD COLUMN refunded_fen bigint NOT NULL DEFAULT 0
                CONSTRAINT channel_orders_refunded_check CHECK (refunded_fen BETWEEN 0 AND coalesce(confirmed_fen, 0)),
            DROP CONSTRAINT channel_orders_purpose_check,
            DROP CONSTRAINT channel_orders_state_check,
            DROP CONSTRAINT channel_orders_holder_check,
            ADD CONSTRAINT channel_orders_purpose_check CHECK (purpose IN ('top_up', 'guest_payment', 'refund')),
            ADD CONSTRAINT channel_orders_state_check CHECK (state IN (
                'written', 'unknown', 'waiting', 'failed', 'closed', 'disputed', 'succeeded', 'decided', 'cancelling',
                'cancelled')),
            ADD CONSTRAINT channel_orders_holder_check
                CHECK (purpose = 'refund' OR (purpose = 'top_up') = (holder_id IS NOT NULL))
    """)
    op.execute("""
        CREATE TABLE channel_refunds (
            bucket smallint NOT NULL,
            id uuid NOT NULL,
            order_id uuid NOT NULL,
            region_id uuid NOT NULL,
            debit_kind text NOT NULL,
            debit_owner uuid NOT NULL,
            kind text NOT NULL CONSTRAINT channel_refunds_kind_check CHECK (kind IN ('void', 'refund')),
            amount_fen bigint NOT NULL CONSTRAINT channel_refunds_amount_fen_check CHECK (amount_fen > 0),
            status text NOT NULL CONSTRAINT channel_refunds_status_check
                CHECK (status IN ('pending', 'succeeded', 'failed')),
            reason text NOT NULL,
            actor text NOT NULL,
            case_id uuid,
            business_date date NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (bucket, id)
        )
    """)
    op.execute("CREATE INDEX channel_refunds_order_id_idx ON channel_refunds (bucket, order_id)")
    op.execute("""
        ALTER TABLE difference_cases
            ADD COLUMN resolution text CONSTRAINT difference_cases_resolution_check
                CHECK (resolution IN ('heard', 'closed', 'refunded')),
            ADD COLUMN reason text,
            ADD COLUMN resolved_by text,
            DROP CONSTRAINT difference_cases_kind_check,
            -- Which kinds there are says the code that opens them, in more than one place by now.
            ADD CONSTRAINT difference_cases_kind_check CHECK (kind ~ '^[a-z_]{1,40}$')
    """)
    op.execute("UPDATE difference_cases SET resolution = 'heard' WHERE resolved_at IS NOT NULL")
