"""Disputes of payments with their steps, and withdrawals of cash through a gateway."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_DISPUTES = """
CREATE TABLE disputes (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL,
    person_id uuid NOT NULL,
    payer_label text NOT NULL,
    site_id uuid NOT NULL,
    host_region_id uuid NOT NULL,
    reason text NOT NULL CONSTRAINT disputes_reason_check CHECK (reason IN (
        'duplicate', 'wrong_amount', 'not_me', 'wrong_unit', 'late_offline', 'location_mismatch', 'missing_subsidy')),
    words text NOT NULL,
    claimed_fen bigint CONSTRAINT disputes_claimed_fen_check CHECK (claimed_fen > 0),
    state text NOT NULL CONSTRAINT disputes_state_check CHECK (state IN (
        'open', 'accepted', 'rejected', 'withdrawn', 'escalated', 'closed', 'upheld', 'dismissed', 'returned')),
    version integer NOT NULL,
    due_at timestamptz,
    reminded_at timestamptz,
    answered_by uuid,
    granted_fen bigint CONSTRAINT disputes_granted_fen_check CHECK (granted_fen > 0),
    refund_id uuid,
    charge_id uuid,
    voucher_id uuid,
    suspended_fen bigint NOT NULL CONSTRAINT disputes_suspended_fen_check CHECK (suspended_fen >= 0),
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT disputes_returned_check CHECK (state <> 'returned' OR num_nonnulls(refund_id, voucher_id) = 1)
);
COMMENT ON COLUMN disputes.host_region_id IS 'Of the canteen: the region that decides';
COMMENT ON COLUMN disputes.version IS 'One more with every step: who acts on what is no longer so is told';
COMMENT ON COLUMN disputes.due_at IS 'Until when it is somebody''s turn; null where it is nobody''s';
COMMENT ON COLUMN disputes.charge_id IS 'The transfer by which a lot has paid what the subsidy should have paid';
CREATE UNIQUE INDEX disputes_under_way_key ON disputes (payment_id, reason)
    WHERE state IN ('open', 'rejected', 'escalated', 'accepted', 'upheld');
CREATE INDEX disputes_person_id_idx ON disputes (person_id, id);
CREATE INDEX disputes_site_id_idx ON disputes (site_id, id);
CREATE INDEX disputes_host_region_id_idx ON disputes (host_region_id, id);
CREATE TABLE dispute_steps (
    dispute_id uuid NOT NULL REFERENCES disputes,
    ordinal smallint NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    side text NOT NULL CONSTRAINT dispute_steps_side_check CHECK (side IN ('payer', 'canteen', 'region', 'system')),
    actor text NOT NULL,
    words text NOT NULL,
    amount_fen bigint,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (dispute_id, ordinal)
);
"""

_WITHDRAWALS = """
CREATE TABLE withdrawals (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    person_id uuid NOT NULL,
    region_id uuid NOT NULL,
    channel text NOT NULL,
    sealed_payee bytea NOT NULL,
    payee_hint text NOT NULL,
    amount_fen bigint NOT NULL CONSTRAINT withdrawals_amount_fen_check CHECK (amount_fen > 0),
    state text NOT NULL CONSTRAINT withdrawals_state_check CHECK (state IN (
        'asked', 'sending', 'declined', 'cancelled', 'unknown', 'paid', 'failed')),
    hold_id uuid NOT NULL,
    approval_id uuid,
    started_by uuid NOT NULL,
    refusal text,
    returned_fen bigint NOT NULL CONSTRAINT withdrawals_returned_fen_check CHECK (returned_fen >= 0),
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, id)
);
COMMENT ON COLUMN withdrawals.sealed_payee IS 'Account and name, encrypted; payee_hint is what its owner knows it by';
COMMENT ON COLUMN withdrawals.returned_fen IS 'What was left of subsidies and went back to units as the account was closed';
CREATE UNIQUE INDEX withdrawals_under_way_key ON withdrawals (bucket, holder_id)
    WHERE state IN ('asked', 'sending', 'unknown');
CREATE INDEX withdrawals_person_id_idx ON withdrawals (person_id);
CREATE INDEX withdrawals_region_id_idx ON withdrawals (region_id, opened_at);
ALTER TABLE channel_orders
    DROP CONSTRAINT channel_orders_purpose_check,
    DROP CONSTRAINT channel_orders_holder_check,
    ADD CONSTRAINT channel_orders_purpose_check
        CHECK (purpose IN ('top_up', 'guest_payment', 'refund', 'withdrawal')),
    ADD CONSTRAINT channel_orders_holder_check
        CHECK (purpose = 'refund' OR (purpose IN ('top_up', 'withdrawal')) = (holder_id IS NOT NULL));
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statements in (_DISPUTES, _WITHDRAWALS):
        for statement in statements.split(";\n"):
            if statement.strip():
                op.execute(statement)
