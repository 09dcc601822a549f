"""Settlement: a period goes through seven states; what it counted, stated, disputed, netted and had paid.

A period that was locked before stays locked. Nothing here is written by a payment: a close reads the journal.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE accounting_periods
    ADD COLUMN id uuid,
    ADD COLUMN opened_early_at timestamptz,
    ADD COLUMN cut_off_at timestamptz,
    ADD COLUMN vector json,
    ADD COLUMN chain_heads json,
    ADD COLUMN aggregates_hash text,
    ADD COLUMN line_count bigint,
    ADD COLUMN silence_ends_at timestamptz,
    ADD COLUMN clearing_id uuid,
    ADD COLUMN changed_at timestamptz;
UPDATE accounting_periods SET id = gen_random_uuid();
ALTER TABLE accounting_periods
    ALTER COLUMN id SET NOT NULL,
    ADD CONSTRAINT accounting_periods_id_key UNIQUE (id),
    DROP CONSTRAINT accounting_periods_state_check,
    ADD CONSTRAINT accounting_periods_state_check CHECK (state IN
        ('open', 'cutoff', 'reconciled', 'statement_sent', 'confirmed', 'settled', 'locked'));
COMMENT ON COLUMN accounting_periods.vector IS 'The journal''s position at the cut-off, {lane: n}: what the close counts';

CREATE TABLE settlement_steps (
    settlement_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    actor text NOT NULL,
    by_silence boolean NOT NULL,
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (settlement_id, ordinal)
);
COMMENT ON TABLE settlement_steps IS 'Each state that a period came to: by whom, and when';

CREATE TABLE settlement_totals (
    settlement_id uuid NOT NULL,
    account_kind text NOT NULL,
    account_owner uuid NOT NULL,
    business_date date NOT NULL,
    kind text NOT NULL,
    debit_fen bigint NOT NULL CHECK (debit_fen >= 0),
    credit_fen bigint NOT NULL CHECK (credit_fen >= 0),
    line_count bigint NOT NULL CHECK (line_count > 0),
    PRIMARY KEY (settlement_id, account_kind, account_owner, business_date, kind)
);
COMMENT ON TABLE settlement_totals IS 'What a closed period''s lines did to each account, by day and kind; persons are merged into owner zero';

CREATE TABLE settlement_unit_totals (
    settlement_id uuid NOT NULL,
    unit_id uuid NOT NULL,
    business_date date NOT NULL,
    kind text NOT NULL,
    amount_fen bigint NOT NULL,
    line_count bigint NOT NULL CHECK (line_count > 0),
    PRIMARY KEY (settlement_id, unit_id, business_date, kind)
);
COMMENT ON TABLE settlement_unit_totals IS 'What a unit''s subsidies paid on each day of a closed period, returns taken off';

CREATE TABLE settlement_statements (
    id uuid PRIMARY KEY,
    settlement_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('canteen', 'unit', 'region_pair', 'operator')),
    party_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('drafted', 'sent', 'confirmed', 'silent')),
    in_fen bigint NOT NULL CHECK (in_fen >= 0),
    out_fen bigint NOT NULL CHECK (out_fen >= 0),
    net_fen bigint NOT NULL CHECK (net_fen = in_fen - out_fen),
    due_fen bigint NOT NULL,
    disputed_fen bigint NOT NULL CHECK (disputed_fen >= 0),
    base_fen bigint NOT NULL,
    line_count bigint NOT NULL,
    sent_by text,
    sent_at timestamptz,
    confirmed_by text,
    confirmed_at timestamptz,
    UNIQUE (settlement_id, kind, party_id)
);
COMMENT ON TABLE settlement_statements IS 'What a canteen, unit, other region or operator is told of a period, and its answer';
CREATE INDEX settlement_statements_party_idx ON settlement_statements (party_id, settlement_id);

CREATE TABLE canteen_shares (
    site_id uuid NOT NULL,
    from_period text NOT NULL CHECK (from_period ~ '^[0-9]{4}-[0-9]{2}$'),
    ordinal smallint NOT NULL,
    organisation_id uuid NOT NULL,
    weight integer NOT NULL CHECK (weight > 0),
    role text NOT NULL CHECK (role IN ('canteen', 'operator')),
    PRIMARY KEY (site_id, from_period, ordinal)
);
COMMENT ON TABLE canteen_shares IS 'How a canteen''s takings are shared from a month on: the operator''s commission, as data';

CREATE TABLE settlement_shares (
    settlement_id uuid NOT NULL,
    site_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    organisation_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('canteen', 'operator')),
    weight integer NOT NULL,
    base_fen bigint NOT NULL,
    amount_fen bigint NOT NULL,
    PRIMARY KEY (settlement_id, site_id, ordinal)
);
COMMENT ON TABLE settlement_shares IS 'One part of one canteen''s takings, as the close has split it; the parts sum to the whole';

CREATE TABLE line_disputes (
    id uuid PRIMARY KEY,
    settlement_id uuid NOT NULL,
    statement_id uuid NOT NULL,
    business_date date NOT NULL,
    line_kind text NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'upheld', 'dismissed')),
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    suspended_at timestamptz,
    decided_by text,
    decided_at timestamptz,
    note text
);
CREATE INDEX line_disputes_settlement_idx ON line_disputes (settlement_id);
COMMENT ON TABLE line_disputes IS 'A statement''s line that is not agreed: its sum waits in suspense, the rest settles';

CREATE TABLE clearings (
    id uuid PRIMARY KEY,
    period text NOT NULL CHECK (period ~ '^[0-9]{4}-[0-9]{2}$'),
    region_ids json NOT NULL,
    obligations json NOT NULL,
    positions json NOT NULL,
    gross_fen bigint NOT NULL CHECK (gross_fen >= 0),
    moved_fen bigint NOT NULL CHECK (moved_fen >= 0),
    netted_by text NOT NULL,
    netted_at timestamptz NOT NULL
);
CREATE INDEX clearings_period_idx ON clearings (period);

CREATE TABLE bank_instructions (
    id uuid PRIMARY KEY,
    settlement_id uuid NOT NULL,
    clearing_id uuid,
    kind text NOT NULL CHECK (kind IN
        ('region_net', 'canteen_payout', 'operator_commission', 'unit_bill', 'canteen_return')),
    debtor_kind text NOT NULL CHECK (debtor_kind IN ('region', 'site', 'organisation')),
    debtor_id uuid NOT NULL,
    creditor_kind text NOT NULL CHECK (creditor_kind IN ('region', 'site', 'organisation')),
    creditor_id uuid NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    reference text NOT NULL,
    end_to_end_id text NOT NULL UNIQUE CHECK (length(end_to_end_id) <= 35),
    state text NOT NULL CHECK (state IN ('issued', 'paid', 'failed')),
    issued_at timestamptz NOT NULL,
    paid_at timestamptz,
    paid_by text,
    bank_reference text,
    failure text,
    CHECK ((state = 'paid') = (paid_at IS NOT NULL))
);
CREATE INDEX bank_instructions_settlement_idx ON bank_instructions (settlement_id);
CREATE INDEX bank_instructions_clearing_idx ON bank_instructions (clearing_id);

CREATE TABLE bank_accounts (
    party_id uuid PRIMARY KEY,
    party_kind text NOT NULL CHECK (party_kind IN ('region', 'site', 'organisation')),
    account_name text NOT NULL,
    account_number text NOT NULL,
    bank_number text NOT NULL,
    bank_name text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE adjustment_vouchers (
    id uuid PRIMARY KEY,
    settlement_id uuid NOT NULL,
    original text NOT NULL,
    reason text NOT NULL,
    debit_kind text NOT NULL,
    debit_owner uuid NOT NULL,
    credit_kind text NOT NULL,
    credit_owner uuid NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    state text NOT NULL CHECK (state IN ('asked', 'approved_once', 'rejected', 'booked')),
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    first_approver text,
    second_approver text,
    booked_in text,
    transfer_id uuid,
    booked_at timestamptz,
    CHECK ((state = 'booked') = (booked_at IS NOT NULL))
);
CREATE INDEX adjustment_vouchers_settlement_idx ON adjustment_vouchers (settlement_id);

CREATE TABLE late_cases (
    transfer_id uuid PRIMARY KEY,
    region_id uuid NOT NULL,
    period text NOT NULL,
    site_id uuid NOT NULL,
    business_date date NOT NULL,
    amount_fen bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'resolved')),
    opened_at timestamptz NOT NULL,
    resolved_by text,
    resolved_at timestamptz,
    note text
);
CREATE INDEX late_cases_open_idx ON late_cases (opened_at) WHERE state = 'open';
COMMENT ON TABLE late_cases IS 'Sales booked more than seven days after their business date: the exception queue';
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
