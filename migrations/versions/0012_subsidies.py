"""Subsidies: batches and schedules, where a lot's money came from, carry-over, warnings, and units that are billed.

What stands before is kept: every lot and grant so far was paid from a prefund, which is what the new columns say of it.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE subsidy_lots
    ADD COLUMN funded_by text NOT NULL DEFAULT 'unit_prefund',
    ADD COLUMN grant_id uuid,
    ADD COLUMN carried_from uuid,
    ADD COLUMN carried_to uuid;
COMMENT ON COLUMN subsidy_lots.funded_by IS 'The account of its unit that what is left goes back to';
COMMENT ON COLUMN subsidy_lots.carried_from IS 'The lot whose rest this one is; such a lot is not carried over again';
ALTER TABLE subsidy_lots ADD CONSTRAINT subsidy_lots_funded_by_check
    CHECK (funded_by IN ('unit_prefund', 'unit_receivable')) NOT VALID;
ALTER TABLE subsidy_lots VALIDATE CONSTRAINT subsidy_lots_funded_by_check;

ALTER TABLE grants
    ADD COLUMN funded_by text NOT NULL DEFAULT 'unit_prefund'
        CHECK (funded_by IN ('unit_prefund', 'unit_receivable')),
    ADD COLUMN scope json NOT NULL DEFAULT '{}',
    ADD COLUMN carry_over json,
    ADD COLUMN reversed_at timestamptz;

CREATE TABLE unit_receivables (
    unit_id uuid PRIMARY KEY,
    region_id uuid NOT NULL,
    balance_fen bigint NOT NULL,
    version bigint NOT NULL
);
COMMENT ON TABLE unit_receivables IS 'What a billed unit owes; below zero where more came back than was open';

CREATE TABLE funding_terms (
    id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    funded_by text NOT NULL CHECK (funded_by IN ('unit_prefund', 'unit_receivable')),
    limit_fen bigint NOT NULL CHECK (limit_fen >= 0),
    asked_by text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX funding_terms_unit_idx ON funding_terms (unit_id, id);

CREATE TABLE subsidy_rules (
    id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    name text NOT NULL,
    basis text NOT NULL CHECK (basis IN ('ahead', 'attended')),
    day_fen bigint NOT NULL CHECK (day_fen > 0),
    field_day_fen bigint NOT NULL CHECK (field_day_fen >= 0),
    person_classes text[] NOT NULL,
    prepare_on smallint NOT NULL CHECK (prepare_on BETWEEN 1 AND 28),
    lot_days smallint NOT NULL CHECK (lot_days BETWEEN 0 AND 366),
    scope json NOT NULL,
    carry_over json,
    first_month text NOT NULL CHECK (first_month ~ '^[0-9]{4}-[0-9]{2}$'),
    state text NOT NULL CHECK (state IN ('active', 'ended')),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX subsidy_rules_unit_idx ON subsidy_rules (unit_id, id);

CREATE TABLE attendance_months (
    unit_id uuid NOT NULL,
    month text NOT NULL CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    person_id uuid NOT NULL,
    attended_halves smallint NOT NULL CHECK (attended_halves BETWEEN 0 AND 62),
    leave_halves smallint NOT NULL CHECK (leave_halves BETWEEN 0 AND 62),
    field_halves smallint NOT NULL CHECK (field_halves BETWEEN 0 AND 62),
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (unit_id, month, person_id)
);
COMMENT ON TABLE attendance_months IS 'Half days, so that no fraction comes near the money';

CREATE TABLE subsidy_batches (
    id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    region_id uuid NOT NULL,
    name text NOT NULL,
    rule_id uuid,
    month text CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    state text NOT NULL CHECK (state IN ('prepared', 'posted', 'reversed', 'discarded')),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    row_count integer NOT NULL CHECK (row_count > 0),
    expires_on date NOT NULL,
    scope json NOT NULL,
    carry_over json,
    skipped json NOT NULL,
    prepared_by text NOT NULL,
    prepared_at timestamptz NOT NULL,
    posted_at timestamptz,
    reversed_at timestamptz,
    CHECK ((rule_id IS NULL) = (month IS NULL))
);
CREATE INDEX subsidy_batches_unit_idx ON subsidy_batches (unit_id, id);
CREATE UNIQUE INDEX subsidy_batches_rule_month_key ON subsidy_batches (unit_id, rule_id, month)
    WHERE rule_id IS NOT NULL AND state IN ('prepared', 'posted');
COMMENT ON INDEX subsidy_batches_rule_month_key IS 'A rule is paid once for a month, however often it is run';

CREATE TABLE subsidy_batch_rows (
    batch_id uuid NOT NULL,
    person_id uuid NOT NULL,
    ordinal integer NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen >= 0),
    day_fen bigint NOT NULL,
    day_halves smallint NOT NULL,
    field_halves smallint NOT NULL,
    leave_halves smallint NOT NULL,
    deducted_fen bigint NOT NULL CHECK (deducted_fen >= 0),
    still_to_deduct_fen bigint NOT NULL CHECK (still_to_deduct_fen >= 0),
    note text NOT NULL,
    lot_id uuid,
    returned_fen bigint CHECK (returned_fen >= 0),
    PRIMARY KEY (batch_id, person_id)
);
CREATE UNIQUE INDEX subsidy_batch_rows_ordinal_key ON subsidy_batch_rows (batch_id, ordinal);

CREATE TABLE subsidy_warnings (
    bucket smallint NOT NULL,
    holder_id uuid NOT NULL,
    expires_on date NOT NULL,
    days_ahead smallint NOT NULL CHECK (days_ahead IN (7, 3, 1)),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    warned_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, holder_id, expires_on, days_ahead)
);
COMMENT ON TABLE subsidy_warnings IS 'Who was told of what ends when: once for each step'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
