"""The statements of one posting batch, in the order in which they run.

Hot tables are joined and locked within one holder's bucket only, so that they can be spread by bucket without a
change of code; `tests/payments/test_hot_statements.py` reads these texts and holds that. Every statement is
set-based: its arguments are arrays, one element a row.
"""

from typing import Final

# Planner settings for the one connection that runs these: always look up by key, never re-plan. A partition that is
# still empty when its plan is made (the first minute of a month) would otherwise be read whole for every batch; with
# pages that cost nothing, a look-up by key is the cheapest plan whatever the statistics say.
SESSION_SETTINGS: Final = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "
    "SET plan_cache_mode = force_generic_plan; SET random_page_cost = 0.01; "
    # A holder that the office has locked must not keep a whole batch waiting: its requests are then tried one by one.
    "SET lock_timeout = '2s'; SET jit = off"
)

CONFIGURATION_VERSION: Final = "SELECT version FROM configuration WHERE id = 1"

# 1. Lock the holders, and only them, in (bucket, id) order; the configuration version comes with the same snapshot.
LOCK_HOLDERS: Final = """
SELECT h.bucket, h.id, h.person_id, h.unit_id, h.region_id, h.person_class, h.label, h.state,
       (SELECT version FROM configuration WHERE id = 1) AS configuration_version
  FROM holders h
 WHERE (h.bucket, h.id) IN (
       SELECT c.bucket, c.holder_id
         FROM unnest($1::smallint[], $2::bigint[]) AS k(bucket, secret)
         JOIN pay_codes c ON c.bucket = k.bucket AND c.secret = k.secret AND c.id >= $3)
 ORDER BY h.bucket, h.id
   FOR UPDATE OF h
"""

# 2. Take the terminals' numbers and keys. Who loses, here or to a commit still under way, gets the stored answer.
CLAIM_REQUESTS: Final = """
INSERT INTO terminal_requests (terminal_id, epoch, seq, key, body_hash, payment_id, recorded_at)
SELECT k.*, $7 FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::bytea[], $6::uuid[]) AS k
ON CONFLICT DO NOTHING
RETURNING payment_id
"""

FIND_CLAIMED: Final = """
SELECT k.ordinal, r.seq, r.epoch, r.key, r.body_hash, r.payment_id, a.status, a.body
  FROM unnest($1::integer[], $2::uuid[], $3::integer[], $4::bigint[], $5::text[])
       AS k(ordinal, terminal_id, epoch, seq, key)
  JOIN terminal_requests r ON r.terminal_id = k.terminal_id
       AND (r.key = k.key OR (r.epoch = k.epoch AND r.seq = k.seq))
  LEFT JOIN stored_answers a ON a.id = r.payment_id
"""

GIVE_BACK_REQUESTS: Final = """
DELETE FROM terminal_requests r
 USING unnest($1::uuid[], $2::uuid[]) AS k(terminal_id, payment_id)
 WHERE r.terminal_id = k.terminal_id AND r.payment_id = k.payment_id
"""

# 3. Read what the decisions need, under the lock. LATERAL with OFFSET 0 fixes the order of the join: keys first,
# then one look-up each, whatever the statistics of a young table say.
LOAD_CODES: Final = """
SELECT c.*
  FROM unnest($1::smallint[], $2::bigint[]) AS k(bucket, secret)
 CROSS JOIN LATERAL (
       SELECT c.bucket, c.secret, c.id, c.holder_id, c.spend_key, c.expires_at, c.block_expires_at, c.used_by
         FROM pay_codes c
        WHERE c.bucket = k.bucket AND c.secret = k.secret AND c.id >= $3
       OFFSET 0) AS c
"""

LOAD_PURSES: Final = """
SELECT p.*
  FROM unnest($1::smallint[], $2::uuid[]) AS k(bucket, id)
 CROSS JOIN LATERAL (
       SELECT p.holder_id, p.kind, p.balance_fen, p.held_fen, p.version
         FROM purses p
        WHERE p.bucket = k.bucket AND p.holder_id = k.id
       OFFSET 0) AS p
"""

LOAD_LOTS: Final = """
SELECT l.*
  FROM unnest($1::smallint[], $2::uuid[]) AS k(bucket, id)
 CROSS JOIN LATERAL (
       SELECT l.holder_id, l.id, l.balance_fen, l.held_fen, l.expires_on, l.scope, l.version
         FROM subsidy_lots l
        WHERE l.bucket = k.bucket AND l.holder_id = k.id AND l.expires_on >= $3
          AND l.expired_at IS NULL AND l.balance_fen > 0
       OFFSET 0) AS l
"""

LOAD_USAGE: Final = """
SELECT u.*
  FROM unnest($1::smallint[], $2::uuid[], $3::text[]) AS k(bucket, id, key)
 CROSS JOIN LATERAL (
       SELECT u.holder_id, u.key, u.count, u.amount_fen
         FROM usage_counters u
        WHERE u.bucket = k.bucket AND u.holder_id = k.id AND u.key = k.key
       OFFSET 0) AS u
"""

LOAD_RECENT: Final = """
SELECT p.*
  FROM unnest($1::smallint[], $2::uuid[]) AS k(bucket, id)
 CROSS JOIN LATERAL (
       SELECT p.holder_id, p.id, p.terminal_id, p.amount_fen, p.recorded_at
         FROM payments p
        WHERE p.bucket = k.bucket AND p.holder_id = k.id AND p.id >= $3
       OFFSET 0) AS p
"""

# 4. Write what was decided.
SPEND_CODES: Final = """
UPDATE pay_codes c SET used_by = k.payment_id
  FROM unnest($1::smallint[], $2::uuid[], $3::uuid[]) AS k(bucket, id, payment_id)
 WHERE c.bucket = k.bucket AND c.id = k.id AND c.used_by IS NULL
RETURNING c.id
"""

UPDATE_PURSES: Final = """
UPDATE purses p SET balance_fen = k.balance_fen, version = k.version
  FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
       AS k(bucket, holder_id, kind, balance_fen, version)
 WHERE p.bucket = k.bucket AND p.holder_id = k.holder_id AND p.kind = k.kind
"""

UPDATE_LOTS: Final = """
UPDATE subsidy_lots l SET balance_fen = k.balance_fen, version = k.version
  FROM unnest($1::smallint[], $2::uuid[], $3::bigint[], $4::bigint[]) AS k(bucket, id, balance_fen, version)
 WHERE l.bucket = k.bucket AND l.id = k.id
"""

RAISE_USAGE: Final = """
INSERT INTO usage_counters (bucket, holder_id, key, count, amount_fen)
SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::integer[], $5::bigint[])
ON CONFLICT (bucket, holder_id, key) DO UPDATE SET count = excluded.count, amount_fen = excluded.amount_fen
"""

# What only grows is written by COPY: these are the columns, in the order of the rows.
PAYMENT_COLUMNS: Final = (
    *("bucket", "id", "holder_id", "person_id", "unit_id", "home_region_id", "host_region_id", "site_id"),
    *("terminal_id", "epoch", "seq", "code_id", "amount_fen", "refunded_fen", "status", "legs", "counters"),
    *("context", "trace", "business_date", "accounting_period", "happened_at", "recorded_at", "lane", "n"),
)
LINE_COLUMNS: Final = (
    *("bucket", "transfer_id", "ordinal", "kind", "region_id", "debit_kind", "debit_owner", "credit_kind"),
    *("credit_owner", "lot_id", "amount_fen", "business_date", "accounting_period", "lane", "n"),
)
ANSWER_COLUMNS: Final = ("id", "status", "body")

# The batch's own rows, none of them of a holder: the next link of the chain, the house accounts, what others are told.
INSERT_BATCH: Final = """
WITH link AS (
    INSERT INTO ledger_batches (lane, n, line_count, hash, recorded_at) VALUES ($1, $2, $3, $4, $5)
), deltas AS (
    INSERT INTO account_deltas (lane, n, region_id, kind, owner, amount_fen, entry_count)
    SELECT $1, $2, * FROM unnest($6::uuid[], $7::text[], $8::uuid[], $9::bigint[], $10::integer[])
)
INSERT INTO outbox (lane, n, recorded_at, events) VALUES ($1, $11, $5, $12)
"""

RECORD_GUESSES: Final = """
INSERT INTO terminal_guesses (terminal_id, guessed_at, payment_id)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[])
"""

COUNT_GUESSES: Final = """
SELECT terminal_id, count(*) AS count, min(guessed_at) AS first_at
  FROM terminal_guesses WHERE terminal_id = ANY($1::uuid[]) AND guessed_at > $2
 GROUP BY terminal_id
"""

# Taking a lane: the advisory lock lives as long as the connection that commits, so nobody else can write its rows.
TRY_LANE: Final = "SELECT pg_try_advisory_lock(hashtext('guanjia.lane'), $1)"
OPEN_LANE: Final = "INSERT INTO lanes (lane, opened_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
READ_LANE: Final = """
SELECT coalesce((SELECT max(n) FROM outbox WHERE lane = $1), 0) AS outbox_n,
       (SELECT n FROM ledger_batches WHERE lane = $1 ORDER BY n DESC LIMIT 1) AS n,
       (SELECT hash FROM ledger_batches WHERE lane = $1 ORDER BY n DESC LIMIT 1) AS hash
"""

HOT_STATEMENTS: Final = {
    name: text
    for name, text in sorted(globals().items())
    if isinstance(text, str) and name.isupper() and not name.startswith("SESSION")
}
