"""Reconciliation: runs and differences, bills of gateways, statements of banks, lists of personnel offices."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_RUNS = """
CREATE TABLE reconciliation_runs (
    id uuid PRIMARY KEY,
    level smallint NOT NULL CONSTRAINT reconciliation_runs_level_check CHECK (level BETWEEN 0 AND 6),
    day date NOT NULL,
    actor text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    compared bigint NOT NULL,
    found integer NOT NULL,
    opened integer NOT NULL,
    vanished integer NOT NULL,
    figures jsonb NOT NULL
);
CREATE INDEX reconciliation_runs_level_day_idx ON reconciliation_runs (level, day, id);
CREATE TABLE reconciliation_differences (
    id uuid PRIMARY KEY,
    level smallint NOT NULL CONSTRAINT reconciliation_differences_level_check CHECK (level BETWEEN 0 AND 6),
    day date NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    expected_fen bigint,
    found_fen bigint,
    amount_fen bigint NOT NULL,
    detail jsonb NOT NULL,
    owner_role text NOT NULL,
    region_id uuid,
    site_id uuid,
    unit_id uuid,
    owner_id uuid,
    state text NOT NULL CONSTRAINT reconciliation_differences_state_check CHECK (state IN ('open', 'explained', 'closed')),
    explanation text,
    explained_at timestamptz,
    closed_by uuid,
    closed_reason text,
    closed_at timestamptz,
    opened_at timestamptz NOT NULL,
    opened_by_run uuid NOT NULL,
    closed_by_run uuid,
    CONSTRAINT reconciliation_differences_closed_at_check CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT reconciliation_differences_two_people_check CHECK (closed_by <> owner_id),
    CONSTRAINT reconciliation_differences_reason_check CHECK (closed_by IS NULL OR closed_reason IS NOT NULL)
);
COMMENT ON COLUMN reconciliation_differences.key IS 'What differs, named so that the next run finds the same name';
COMMENT ON COLUMN reconciliation_differences.closed_by IS 'The person who closed it; null where a run found it gone';
CREATE UNIQUE INDEX reconciliation_differences_live_key ON reconciliation_differences (level, key) WHERE state <> 'closed';
CREATE INDEX reconciliation_differences_level_day_idx ON reconciliation_differences (level, day);
CREATE INDEX reconciliation_differences_level_key_idx ON reconciliation_differences (level, key);
"""

_BILLS = """
CREATE TABLE channel_bills (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    bill_date date NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT channel_bills_sha256_check CHECK (length(sha256) = 32),
    content bytea NOT NULL,
    trade_count integer NOT NULL,
    trade_fen bigint NOT NULL,
    refund_count integer NOT NULL,
    refund_fen bigint NOT NULL,
    fee_fen bigint NOT NULL,
    fetched_at timestamptz NOT NULL,
    replaced_at timestamptz,
    paid_at timestamptz,
    paid_line_id uuid,
    transfer_id uuid,
    CONSTRAINT channel_bills_paid_check CHECK (num_nonnulls(paid_at, paid_line_id, transfer_id) IN (0, 3))
);
CREATE UNIQUE INDEX channel_bills_day_key ON channel_bills (channel, bill_date) WHERE replaced_at IS NULL;
CREATE TABLE channel_bill_rows (
    bill_id uuid NOT NULL,
    ordinal integer NOT NULL,
    kind text NOT NULL CONSTRAINT channel_bill_rows_kind_check CHECK (kind IN ('trade', 'refund')),
    trade_no text NOT NULL,
    order_name text NOT NULL,
    refund_name text,
    amount_fen bigint NOT NULL CONSTRAINT channel_bill_rows_amount_fen_check CHECK (amount_fen > 0),
    fee_fen bigint NOT NULL,
    completed_at timestamptz NOT NULL,
    PRIMARY KEY (bill_id, ordinal)
);
COMMENT ON COLUMN channel_bill_rows.fee_fen IS '+ what the gateway keeps, - what it gives back with a refund';
CREATE INDEX channel_bill_rows_order_name_idx ON channel_bill_rows (order_name);
CREATE TABLE bill_fetches (
    channel text NOT NULL,
    bill_date date NOT NULL,
    due_at timestamptz,
    attempts integer NOT NULL,
    last_error text,
    tried_at timestamptz,
    fetched_at timestamptz,
    PRIMARY KEY (channel, bill_date)
);
COMMENT ON COLUMN bill_fetches.due_at IS 'When it is asked for next; null once it is here or nobody asks any more';
CREATE INDEX channel_orders_changed_at_idx ON channel_orders (changed_at);
"""

_BANK = """
CREATE TABLE bank_statements (
    id uuid PRIMARY KEY,
    account text NOT NULL,
    region_id uuid NOT NULL,
    reference text NOT NULL,
    form text NOT NULL CONSTRAINT bank_statements_form_check CHECK (form IN ('camt.053', 'csv')),
    first_day date NOT NULL,
    last_day date NOT NULL,
    opening_fen bigint NOT NULL,
    closing_fen bigint NOT NULL,
    line_count integer NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT bank_statements_sha256_check CHECK (length(sha256) = 32),
    content bytea NOT NULL,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL,
    CONSTRAINT bank_statements_days_check CHECK (first_day <= last_day)
);
CREATE UNIQUE INDEX bank_statements_reference_key ON bank_statements (account, reference);
CREATE UNIQUE INDEX bank_statements_sha256_key ON bank_statements (sha256);
CREATE UNIQUE INDEX bank_statements_days_key ON bank_statements (account, last_day);
CREATE TABLE bank_lines (
    id uuid PRIMARY KEY,
    statement_id uuid NOT NULL REFERENCES bank_statements,
    ordinal integer NOT NULL,
    region_id uuid NOT NULL,
    booked_on date NOT NULL,
    amount_fen bigint NOT NULL CONSTRAINT bank_lines_amount_fen_check CHECK (amount_fen <> 0),
    counterparty text NOT NULL,
    end_to_end_id text NOT NULL,
    remittance text NOT NULL,
    bank_reference text NOT NULL,
    matched_to text
);
COMMENT ON COLUMN bank_lines.amount_fen IS '+ came in, - went out';
CREATE UNIQUE INDEX bank_lines_statement_key ON bank_lines (statement_id, ordinal);
CREATE INDEX bank_lines_booked_on_idx ON bank_lines (booked_on);
"""

_LISTS = """
CREATE TABLE hr_lists (
    id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    month date NOT NULL CONSTRAINT hr_lists_month_check CHECK (extract(day FROM month) = 1),
    sha256 bytea NOT NULL CONSTRAINT hr_lists_sha256_check CHECK (length(sha256) = 32),
    row_count integer NOT NULL,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL,
    replaced_at timestamptz
);
CREATE UNIQUE INDEX hr_lists_unit_month_key ON hr_lists (unit_id, month) WHERE replaced_at IS NULL;
CREATE TABLE hr_list_rows (
    list_id uuid NOT NULL REFERENCES hr_lists,
    staff_number text NOT NULL,
    name text NOT NULL,
    subsidy_fen bigint CONSTRAINT hr_list_rows_subsidy_fen_check CHECK (subsidy_fen >= 0),
    PRIMARY KEY (list_id, staff_number)
);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statements in (_RUNS, _BILLS, _BANK, _LISTS):
        for statement in statements.split(";\n"):
            if statement.strip():
                op.execute(statement)
