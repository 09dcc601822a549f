"""Money: holders, purses, lots, pay codes, payments, the ledger.

Every hot table begins its keys with `bucket`, so that it can be spread by bucket without a change of code; the one
exception, `terminal_requests`, is keyed by terminal. There are no foreign keys between hot partitioned tables: a
detached partition could not be dropped; audit checks what they would have held.
"""

from datetime import datetime

from alembic import op

from kernel import clock
from kernel.partitions import PartitionedTable, statements_to_create

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Frozen here: a migration must not change when the code's own list does.
_PARTITIONED = (
    PartitionedTable("pay_codes", "month"),
    PartitionedTable("payments", "month"),
    PartitionedTable("reversals", "month"),
    PartitionedTable("ledger_lines", "month"),
)

_TABLES = """
CREATE TABLE holders (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 999),
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    unit_id uuid NOT NULL,
    region_id uuid NOT NULL,
    person_class text NOT NULL,
    label text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'frozen', 'lost', 'closed')),
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, id)
);

CREATE TABLE holder_directory (
    person_id uuid PRIMARY KEY,
    bucket smallint NOT NULL,
    holder_id uuid NOT NULL UNIQUE
);
COMMENT ON TABLE holder_directory IS 'Which holder a person is: one small look-up table beside the buckets';

CREATE TABLE purses (
    bucket smallint NOT NULL,
    holder_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('cash', 'official')),
    balance_fen bigint NOT NULL CHECK (balance_fen >= 0),
    held_fen bigint NOT NULL CHECK (held_fen BETWEEN 0 AND balance_fen),
    version bigint NOT NULL,
    PRIMARY KEY (bucket, holder_id, kind)
) WITH (fillfactor = 80);

CREATE TABLE subsidy_lots (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    unit_id uuid NOT NULL,
    region_id uuid NOT NULL,
    granted_fen bigint NOT NULL CHECK (granted_fen > 0),
    balance_fen bigint NOT NULL CHECK (balance_fen BETWEEN 0 AND granted_fen),
    held_fen bigint NOT NULL CHECK (held_fen BETWEEN 0 AND balance_fen),
    granted_on date NOT NULL,
    expires_on date NOT NULL,
    scope json NOT NULL,
    version bigint NOT NULL,
    expired_at timestamptz,
    PRIMARY KEY (bucket, id)
) WITH (fillfactor = 80);
CREATE INDEX subsidy_lots_holder_idx ON subsidy_lots (bucket, holder_id, expires_on);
CREATE INDEX subsidy_lots_expiry_idx ON subsidy_lots (expires_on) WHERE expired_at IS NULL;

CREATE TABLE usage_counters (
    bucket smallint NOT NULL,
    holder_id uuid NOT NULL,
    key text NOT NULL,
    count integer NOT NULL CHECK (count >= 0),
    amount_fen bigint NOT NULL CHECK (amount_fen >= 0),
    PRIMARY KEY (bucket, holder_id, key)
) WITH (fillfactor = 90);

CREATE TABLE holds (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'captured', 'released', 'expired')),
    legs json NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    reason text NOT NULL,
    expires_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (bucket, id)
);
CREATE INDEX holds_open_idx ON holds (bucket, holder_id) WHERE state = 'open';

CREATE TABLE cards (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    number_hash bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'lost', 'replaced', 'closed')),
    issued_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, id)
);
CREATE UNIQUE INDEX cards_one_live_idx ON cards (bucket, holder_id) WHERE state IN ('active', 'lost');

CREATE TABLE card_directory (
    number_hash bytea PRIMARY KEY,
    bucket smallint NOT NULL,
    card_id uuid NOT NULL
);

CREATE TABLE signing_keys (
    kid integer PRIMARY KEY CHECK (kid BETWEEN 1 AND 65535),
    region_id uuid NOT NULL,
    suite smallint NOT NULL CHECK (suite IN (1, 2)),
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    sealed_private_key bytea NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL CHECK (not_after > not_before)
);
CREATE INDEX signing_keys_region_idx ON signing_keys (region_id, not_before);

CREATE TABLE root_key (
    id smallint PRIMARY KEY CHECK (id = 1),
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    sealed_private_key bytea NOT NULL,
    made_at timestamptz NOT NULL
);

CREATE TABLE pay_codes (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    secret bigint NOT NULL,
    spend_key bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    block_expires_at timestamptz NOT NULL,
    used_by uuid,
    PRIMARY KEY (bucket, id)
) PARTITION BY RANGE (id);
CREATE INDEX pay_codes_secret_idx ON pay_codes (bucket, secret);
COMMENT ON COLUMN pay_codes.secret IS 'The 14 random digits of P1';
COMMENT ON COLUMN pay_codes.spend_key IS 'First 8 bytes of SHA-256(P2), as a signed big-endian number';

CREATE TABLE terminal_requests (
    terminal_id uuid NOT NULL,
    epoch integer NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash bytea NOT NULL,
    payment_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (terminal_id, epoch, seq),
    UNIQUE (terminal_id, key)
) PARTITION BY HASH (terminal_id);

CREATE TABLE stored_answers (
    id uuid PRIMARY KEY,
    status smallint NOT NULL,
    body bytea NOT NULL
) PARTITION BY RANGE (id);
COMMENT ON TABLE stored_answers IS 'The bytes that went out for a payment id, kept for replays';

CREATE TABLE terminal_guesses (
    terminal_id uuid NOT NULL,
    guessed_at timestamptz NOT NULL,
    payment_id uuid NOT NULL,
    PRIMARY KEY (terminal_id, guessed_at, payment_id)
);
COMMENT ON TABLE terminal_guesses IS 'Codes that nobody was given: too many in a minute and the terminal has to wait';

CREATE TABLE payments (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    person_id uuid NOT NULL,
    unit_id uuid NOT NULL,
    home_region_id uuid NOT NULL,
    host_region_id uuid NOT NULL,
    site_id uuid NOT NULL,
    terminal_id uuid,
    epoch integer,
    seq bigint,
    code_id uuid,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    refunded_fen bigint NOT NULL DEFAULT 0 CHECK (refunded_fen BETWEEN 0 AND amount_fen),
    status text NOT NULL CHECK (status IN ('succeeded', 'partially_refunded', 'refunded', 'voided')),
    legs json NOT NULL,
    counters json NOT NULL,
    context json NOT NULL,
    trace json NOT NULL,
    business_date date NOT NULL,
    accounting_period text NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    lane smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (bucket, id)
) PARTITION BY RANGE (id);
CREATE INDEX payments_holder_idx ON payments (bucket, holder_id, id);

CREATE TABLE reversals (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('void', 'refund')),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    legs json NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    business_date date NOT NULL,
    accounting_period text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, id)
) PARTITION BY RANGE (id);
CREATE INDEX reversals_payment_idx ON reversals (bucket, payment_id);

CREATE TABLE ledger_lines (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1000),
    transfer_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    kind text NOT NULL,
    region_id uuid NOT NULL,
    debit_kind text NOT NULL,
    debit_owner uuid NOT NULL,
    credit_kind text NOT NULL,
    credit_owner uuid NOT NULL,
    lot_id uuid,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    business_date date NOT NULL,
    accounting_period text NOT NULL,
    lane smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (bucket, transfer_id, ordinal),
    CHECK ((debit_kind, debit_owner) <> (credit_kind, credit_owner))
) PARTITION BY RANGE (transfer_id);
COMMENT ON TABLE ledger_lines IS 'One amount from a credited to a debited account of one region''s book: it sums to zero by shape';

CREATE VIEW entries AS
    SELECT bucket, transfer_id, ordinal, kind, region_id, debit_kind AS account_kind, debit_owner AS account_owner,
           lot_id, amount_fen, business_date, accounting_period, lane, n
      FROM ledger_lines
    UNION ALL
    SELECT bucket, transfer_id, ordinal, kind, region_id, credit_kind, credit_owner,
           lot_id, -amount_fen, business_date, accounting_period, lane, n
      FROM ledger_lines;
COMMENT ON VIEW entries IS 'Signed entries, + debit and - credit: two for each ledger line';

CREATE TABLE ledger_batches (
    lane smallint NOT NULL,
    n bigint NOT NULL CHECK (n > 0),
    line_count integer NOT NULL CHECK (line_count > 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (lane, n)
);
COMMENT ON TABLE ledger_batches IS 'The hash chain of each lane: SHA-256 of the hash before and the lines of this commit';

CREATE TABLE account_deltas (
    lane smallint NOT NULL,
    n bigint NOT NULL,
    region_id uuid NOT NULL,
    kind text NOT NULL,
    owner uuid NOT NULL,
    amount_fen bigint NOT NULL,
    entry_count integer NOT NULL CHECK (entry_count > 0),
    PRIMARY KEY (lane, n, region_id, kind, owner)
);
COMMENT ON TABLE account_deltas IS 'What each commit did to each house account it touched; folded into checkpoints';

CREATE TABLE account_checkpoints (
    region_id uuid NOT NULL,
    kind text NOT NULL,
    owner uuid NOT NULL,
    balance_fen bigint NOT NULL,
    entry_count bigint NOT NULL,
    PRIMARY KEY (region_id, kind, owner)
);

CREATE TABLE checkpoint_vector (
    lane smallint PRIMARY KEY,
    n bigint NOT NULL
);

CREATE TABLE unit_prefunds (
    unit_id uuid PRIMARY KEY,
    region_id uuid NOT NULL,
    balance_fen bigint NOT NULL CHECK (balance_fen >= 0),
    version bigint NOT NULL
);
COMMENT ON TABLE unit_prefunds IS 'What a unit has paid in ahead: limit-checked, so locked where it is spent from';

CREATE TABLE accounting_periods (
    region_id uuid NOT NULL,
    period text NOT NULL CHECK (period ~ '^[0-9]{4}-[0-9]{2}$'),
    state text NOT NULL CHECK (state IN ('open', 'locked')),
    PRIMARY KEY (region_id, period)
);

CREATE TABLE top_ups (
    bucket smallint NOT NULL,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    channel text NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    state text NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed', 'closed')),
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, id)
);
CREATE INDEX top_ups_holder_idx ON top_ups (bucket, holder_id, id);

CREATE TABLE grants (
    id uuid PRIMARY KEY,
    unit_id uuid NOT NULL,
    region_id uuid NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    lot_count integer NOT NULL CHECK (lot_count > 0),
    expires_on date NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for number in range(8):
        op.execute(
            f"CREATE TABLE terminal_requests_h{number} PARTITION OF terminal_requests "
            f"FOR VALUES WITH (MODULUS 8, REMAINDER {number})"
        )
    # The worker makes the partitions that follow; these let a first payment in, whenever the first start is.
    now = clock.now()
    for table in _PARTITIONED:
        for statement in statements_to_create(table, _months_before(now, 2), now.replace(day=28)):
            op.execute(statement)


def _months_before(at: datetime, count: int) -> datetime:
    month = at.year * 12 + at.month - 1 - count
    return at.replace(year=month // 12, month=month % 12 + 1, day=1)
