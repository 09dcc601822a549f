"""The statements of one posting batch, in the order in which they run.

A batch is three round trips: `load_batch` (lock, claim, read), `write_batch`, COMMIT. The two functions are temporary
ones, made by each lane on its own connection: their text belongs to this version of the code, needs no migration, and
every statement in them still stands alone, with a snapshot of its own.

Hot tables are joined and locked within one holder's bucket only, so that they can be spread by bucket without a
change of code; `tests/payments/test_hot_statements.py` reads these texts and holds that. Every statement is
set-based: its arguments are arrays, one element a row.
"""

from typing import Final

from kernel.db import LOOK_UP_BY_KEY as _LOOK_UP_BY_KEY
from payments.settlement.periods import ENTER_GATE as _ENTER_GATE

# A holder that the office has locked must not keep a whole batch waiting: its requests are then tried one by one.
SESSION_SETTINGS: Final = f"{_LOOK_UP_BY_KEY}; SET lock_timeout = '2s'"

CONFIGURATION_VERSION: Final = "SELECT version FROM configuration WHERE id = 1"

# What goes in, as arrays of rows: half of the cost of an array for each column.
SESSION_TYPES: Final = """
CREATE TYPE pg_temp.payer AS (bucket smallint, secret bigint, id uuid, terminal_id uuid);
CREATE TYPE pg_temp.claim AS (
    terminal_id uuid, epoch integer, seq bigint, key text, body_hash bytea, payment_id uuid);
CREATE TYPE pg_temp.wanted_counter AS (payer integer, key text);
CREATE TYPE pg_temp.new_payment AS (
    bucket smallint, id uuid, holder_id uuid, person_id uuid, unit_id uuid, home_region_id uuid, host_region_id uuid,
    site_id uuid, terminal_id uuid, epoch integer, seq bigint, code_id uuid, amount_fen bigint,
    legs json, counters json, context json, trace json, business_date date, accounting_period text,
    happened_at timestamptz);
CREATE TYPE pg_temp.new_line AS (
    bucket smallint, transfer_id uuid, ordinal smallint, kind text, region_id uuid, debit_kind text, debit_owner uuid,
    credit_kind text, credit_owner uuid, lot_id uuid, amount_fen bigint, business_date date, accounting_period text);
CREATE TYPE pg_temp.new_answer AS (id uuid, status smallint, body bytea);
CREATE TYPE pg_temp.spent_code AS (bucket smallint, id uuid, payment_id uuid);
CREATE TYPE pg_temp.changed_purse AS (
    bucket smallint, holder_id uuid, kind text, balance_fen bigint, version bigint);
CREATE TYPE pg_temp.changed_lot AS (bucket smallint, id uuid, balance_fen bigint, version bigint);
CREATE TYPE pg_temp.raised_counter AS (
    bucket smallint, holder_id uuid, key text, count integer, amount_fen bigint);
CREATE TYPE pg_temp.house_delta AS (
    region_id uuid, kind text, owner uuid, amount_fen bigint, entry_count integer);
"""

# ---- 1. enter, lock, claim, read

# No period is cut off while a batch is under way, and none of what it knows of closed periods changes.
ENTER_GATE: Final = _ENTER_GATE

# Whose money: a payer is named by a code (bucket, secret) or by the holder's own id. Zero stands for nobody.
# LATERAL with OFFSET 0 fixes the order of the join: keys first, then one look-up each, whatever the statistics of a
# young table say.
FIND_HOLDERS: Final = """
SELECT array_agg(coalesce(c.holder_id, k.id) ORDER BY k.ordinal)
  FROM unnest(payers) WITH ORDINALITY AS k(bucket, secret, id, terminal_id, ordinal)
  LEFT JOIN LATERAL (
       SELECT c.holder_id
         FROM pay_codes c
        WHERE c.bucket = k.bucket AND c.secret = k.secret AND c.id >= codes_since AND c.id < ids_until
       OFFSET 0) AS c ON true
"""
DISTINCT_HOLDERS: Final = """
SELECT array_agg(h.bucket), array_agg(h.id)
  FROM (SELECT DISTINCT k.bucket, k.id
          FROM (SELECT p.bucket, holder_ids[p.ordinal] AS id
                  FROM unnest(payers) WITH ORDINALITY AS p(bucket, secret, named, terminal_id, ordinal)) AS k
         WHERE k.id <> nobody ORDER BY 1, 2) AS h
"""

# The holders, and only they, are locked, in (bucket, id) order.
LOCK_HOLDERS: Final = """
SELECT 1::smallint, h.id, h.person_id, h.unit_id, h.region_id, h.person_class, h.label, h.state,
       h.bucket::bigint, NULL::bigint, NULL::bigint, NULL::date, NULL::timestamptz, NULL::timestamptz
  FROM unnest(locked_buckets, locked_ids) AS k(bucket, id)
  JOIN holders h ON h.bucket = k.bucket AND h.id = k.id
 ORDER BY h.bucket, h.id
   FOR UPDATE OF h
"""

# Take the terminals' numbers and keys. Almost always all of them are new: then nothing is looked up before it is written.
CLAIM_REQUESTS: Final = """
INSERT INTO terminal_requests (terminal_id, epoch, seq, key, body_hash, payment_id, recorded_at)
SELECT k.*, claimed_at FROM unnest(claims) AS k
"""
# Where one was taken before: who loses, here or to a commit still under way, gets the stored answer.
CLAIM_WHAT_IS_FREE: Final = f"{CLAIM_REQUESTS}ON CONFLICT DO NOTHING"
# How many were taken, and the configuration version, in one row.
TELL_CLAIMED: Final = """
SELECT 0::smallint, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::text,
       f.version::bigint, won, NULL::bigint, NULL::date, NULL::timestamptz, NULL::timestamptz
  FROM configuration f WHERE f.id = 1
"""
# Only where some lost: which of them won.
TELL_WINNERS: Final = """
SELECT 2::smallint, NULL::uuid, r.payment_id, NULL::uuid, NULL::uuid, NULL::text, NULL::text, NULL::text,
       NULL::bigint, NULL::bigint, NULL::bigint, NULL::date, NULL::timestamptz, NULL::timestamptz
  FROM unnest(claims) AS k
  JOIN terminal_requests r ON r.terminal_id = k.terminal_id AND r.key = k.key AND r.payment_id = k.payment_id
"""

# What the decisions need, read under the lock.
LOAD_CODES: Final = """
SELECT 3::smallint, c.holder_id, c.id, c.used_by, NULL::uuid, NULL::text, NULL::text, NULL::text,
       k.bucket::bigint, k.secret, c.spend_key, NULL::date, c.expires_at, c.block_expires_at
  FROM unnest(payers) AS k
 CROSS JOIN LATERAL (
       SELECT c.id, c.holder_id, c.spend_key, c.expires_at, c.block_expires_at, c.used_by
         FROM pay_codes c
        WHERE c.bucket = k.bucket AND c.secret = k.secret AND c.id >= codes_since AND c.id < ids_until
       OFFSET 0) AS c
"""
LOAD_PURSES: Final = """
SELECT 4::smallint, k.id, NULL::uuid, NULL::uuid, NULL::uuid, p.kind, NULL::text, NULL::text,
       p.balance_fen, p.held_fen, p.version, NULL::date, NULL::timestamptz, NULL::timestamptz
  FROM unnest(locked_buckets, locked_ids) AS k(bucket, id)
 CROSS JOIN LATERAL (
       SELECT p.kind, p.balance_fen, p.held_fen, p.version
         FROM purses p
        WHERE p.bucket = k.bucket AND p.holder_id = k.id
       OFFSET 0) AS p
"""
LOAD_LOTS: Final = """
SELECT 5::smallint, k.id, l.id, NULL::uuid, NULL::uuid, l.scope::text, NULL::text, NULL::text,
       l.balance_fen, l.held_fen, l.version, l.expires_on, NULL::timestamptz, NULL::timestamptz
  FROM unnest(locked_buckets, locked_ids) AS k(bucket, id)
 CROSS JOIN LATERAL (
       SELECT l.id, l.balance_fen, l.held_fen, l.expires_on, l.scope, l.version
         FROM subsidy_lots l
        WHERE l.bucket = k.bucket AND l.holder_id = k.id AND l.expires_on >= lots_from
          AND l.expired_at IS NULL AND l.balance_fen > 0
       OFFSET 0) AS l
"""
LOAD_USAGE: Final = """
SELECT 6::smallint, k.id, NULL::uuid, NULL::uuid, NULL::uuid, k.key, NULL::text, NULL::text,
       u.count::bigint, u.amount_fen, NULL::bigint, NULL::date, NULL::timestamptz, NULL::timestamptz
  FROM (SELECT (payers[w.payer]).bucket, holder_ids[w.payer], w.key FROM unnest(counters) AS w) AS k(bucket, id, key)
 CROSS JOIN LATERAL (
       SELECT u.count, u.amount_fen
         FROM usage_counters u
        WHERE u.bucket = k.bucket AND u.holder_id = k.id AND u.key = k.key
       OFFSET 0) AS u
"""
# Of the last seconds: what the same till took from them, or any till where the payer's row names none.
# With an upper bound as well, a planner that knows no values takes the ids for so few that it reads the primary key, all that a
# bucket paid in those seconds, and not the index by holder: at noon fifty rows for each payment instead of one or none.
LOAD_RECENT: Final = """
SELECT 7::smallint, p.holder_id, p.id, p.terminal_id, NULL::uuid, NULL::text, NULL::text, NULL::text,
       p.amount_fen, NULL::bigint, NULL::bigint, NULL::date, p.recorded_at, NULL::timestamptz
  FROM (SELECT w.bucket, holder_ids[w.ordinal], w.terminal_id
          FROM unnest(payers) WITH ORDINALITY AS w(bucket, secret, id, terminal_id, ordinal) OFFSET 0)
       AS k(bucket, holder_id, terminal_id)
 CROSS JOIN LATERAL (
       SELECT p.id, p.holder_id, p.terminal_id, p.amount_fen, p.recorded_at
         FROM payments p
        WHERE p.bucket = k.bucket AND p.holder_id = k.holder_id AND p.id >= recent_since
          AND (k.terminal_id IS NULL OR p.terminal_id = k.terminal_id)
       OFFSET 0) AS p
"""

LOAD_FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION pg_temp.load_batch(
    payers pg_temp.payer[], claims pg_temp.claim[], counters pg_temp.wanted_counter[], claimed_at timestamptz,
    codes_since uuid, recent_since uuid, ids_until uuid, lots_from date
) RETURNS SETOF record LANGUAGE plpgsql AS $load$
DECLARE
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
    holder_ids uuid[] := ({FIND_HOLDERS});
    locked_buckets smallint[];
    locked_ids uuid[];
    won bigint;
BEGIN
    PERFORM {ENTER_GATE.removeprefix("SELECT ")};
    SELECT * INTO locked_buckets, locked_ids FROM ({DISTINCT_HOLDERS}) AS h(buckets, ids);
    RETURN QUERY {LOCK_HOLDERS};
    BEGIN
        {CLAIM_REQUESTS};
        won := cardinality(claims);
    EXCEPTION WHEN unique_violation THEN
        {CLAIM_WHAT_IS_FREE};
        GET DIAGNOSTICS won = ROW_COUNT;
    END;
    RETURN QUERY {TELL_CLAIMED};
    IF won < cardinality(claims) THEN
        RETURN QUERY {TELL_WINNERS};
    END IF;
    RETURN QUERY {LOAD_CODES};
    RETURN QUERY {LOAD_PURSES};
    RETURN QUERY {LOAD_LOTS};
    RETURN QUERY {LOAD_USAGE};
    RETURN QUERY {LOAD_RECENT};
END $load$
"""  # noqa: S608  put together from the constants above, nothing of a caller's
LOAD_BATCH: Final = """
SELECT * FROM pg_temp.load_batch($1, $2, $3, $4, $5, $6, $7, $8)
    AS loaded(part smallint, holder_id uuid, id uuid, other uuid, region_id uuid, name text, label text, state text,
              a bigint, b bigint, c bigint, day date, at timestamptz, until timestamptz)
"""

# Only for losers: what became of the request that was first.
FIND_CLAIMED: Final = """
SELECT k.ordinal, r.seq, r.epoch, r.key, r.body_hash, r.payment_id, a.status, a.body
  FROM unnest($1::integer[], $2::uuid[], $3::integer[], $4::bigint[], $5::text[])
       AS k(ordinal, terminal_id, epoch, seq, key)
  JOIN terminal_requests r ON r.terminal_id = k.terminal_id
       AND (r.key = k.key OR (r.epoch = k.epoch AND r.seq = k.seq))
  LEFT JOIN stored_answers a ON a.id = r.payment_id
"""

# Only where somebody seems to guess.
COUNT_GUESSES: Final = """
SELECT terminal_id, count(*) AS count, min(guessed_at) AS first_at
  FROM terminal_guesses WHERE terminal_id = ANY($1::uuid[]) AND guessed_at > $2
 GROUP BY terminal_id
"""

# Only where cards were read: whether they may pay, under their holders' lock.
LOAD_CARDS: Final = """
SELECT k.id, c.state
  FROM unnest($1::smallint[], $2::uuid[]) AS k(bucket, id)
 CROSS JOIN LATERAL (SELECT c.state FROM cards c WHERE c.bucket = k.bucket AND c.id = k.id OFFSET 0) AS c
"""

# ---- 2. write what was decided

GIVE_BACK_REQUESTS: Final = """
DELETE FROM terminal_requests r
 USING unnest($1::uuid[], $2::uuid[]) AS k(terminal_id, payment_id)
 WHERE r.terminal_id = k.terminal_id AND r.payment_id = k.payment_id
"""

RECORD_GUESSES: Final = """
INSERT INTO terminal_guesses (terminal_id, guessed_at, payment_id)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[])
"""

# COPY would cost the database a little less, and two more waits for a busy process in every batch.
STORE_PAYMENTS: Final = """
INSERT INTO payments (
    bucket, id, holder_id, person_id, unit_id, home_region_id, host_region_id, site_id, terminal_id, epoch, seq, code_id,
    amount_fen, legs, counters, context, trace, business_date, accounting_period, happened_at,
    refunded_fen, status, recorded_at, lane, n)
SELECT k.*, 0, 'succeeded', batch_at, batch_lane, batch_n FROM unnest(new_payments) AS k
"""
STORE_LINES: Final = """
INSERT INTO ledger_lines (
    bucket, transfer_id, ordinal, kind, region_id, debit_kind, debit_owner, credit_kind, credit_owner, lot_id,
    amount_fen, business_date, accounting_period, lane, n)
SELECT k.*, batch_lane, batch_n FROM unnest(new_lines) AS k
"""
STORE_ANSWERS: Final = """
INSERT INTO stored_answers (id, status, body) SELECT * FROM unnest(answers)
"""
# Without statistics a planner takes `used_by IS NULL`, or ids between two bounds, to leave next to nothing of the table,
# and reads all of it; a CASE and one bound leave it half and a third, and it looks up each code by its key.
SPEND_CODES: Final = """
UPDATE pay_codes c SET used_by = k.payment_id
  FROM unnest(codes) AS k
 WHERE c.bucket = k.bucket AND c.id = k.id AND c.id >= codes_since
   AND CASE WHEN c.used_by IS NULL THEN true ELSE false END
"""
UPDATE_PURSES: Final = """
UPDATE purses p SET balance_fen = k.balance_fen, version = k.version
  FROM unnest(changed_purses) AS k
 WHERE p.bucket = k.bucket AND p.holder_id = k.holder_id AND p.kind = k.kind
"""
UPDATE_LOTS: Final = """
UPDATE subsidy_lots l SET balance_fen = k.balance_fen, version = k.version
  FROM unnest(changed_lots) AS k
 WHERE l.bucket = k.bucket AND l.id = k.id
"""
RAISE_USAGE: Final = """
INSERT INTO usage_counters (bucket, holder_id, key, count, amount_fen)
SELECT * FROM unnest(raised_counters)
ON CONFLICT (bucket, holder_id, key) DO UPDATE SET count = excluded.count, amount_fen = excluded.amount_fen
"""
# The batch's own rows, none of them of a holder: the next link of the chain, the house accounts, what others are told.
LINK_BATCH: Final = """
INSERT INTO ledger_batches (lane, n, line_count, hash, recorded_at)
VALUES (batch_lane, batch_n, batch_lines, batch_hash, batch_at)
"""
SUM_HOUSE: Final = """
INSERT INTO account_deltas (lane, n, region_id, kind, owner, amount_fen, entry_count)
SELECT batch_lane, batch_n, * FROM unnest(deltas)
"""
TELL_OTHERS: Final = """
INSERT INTO outbox (lane, n, recorded_at, events) VALUES (batch_lane, outbox_n, batch_at, outbox_events)
"""

WRITE_FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION pg_temp.write_batch(
    answers pg_temp.new_answer[], codes pg_temp.spent_code[], changed_purses pg_temp.changed_purse[],
    changed_lots pg_temp.changed_lot[], raised_counters pg_temp.raised_counter[], deltas pg_temp.house_delta[],
    batch_lane smallint, batch_n bigint, batch_lines integer, batch_hash bytea, batch_at timestamptz,
    codes_since uuid, ids_until uuid,
    outbox_n bigint, outbox_events text,
    new_payments pg_temp.new_payment[], new_lines pg_temp.new_line[]
) RETURNS void LANGUAGE plpgsql AS $write$
DECLARE
    spent bigint;
BEGIN
    {STORE_ANSWERS};
    IF batch_lines = 0 THEN
        RETURN;
    END IF;
    {STORE_PAYMENTS};
    {STORE_LINES};
    {SPEND_CODES};
    GET DIAGNOSTICS spent = ROW_COUNT;
    -- Held by the holder's lock already; held again by the code's own row.
    IF spent <> cardinality(codes) THEN
        RAISE EXCEPTION 'a pay code would be spent twice';
    END IF;
    IF cardinality(changed_purses) > 0 THEN
        {UPDATE_PURSES};
    END IF;
    IF cardinality(changed_lots) > 0 THEN
        {UPDATE_LOTS};
    END IF;
    IF cardinality(raised_counters) > 0 THEN
        {RAISE_USAGE};
    END IF;
    {LINK_BATCH};
    {SUM_HOUSE};
    {TELL_OTHERS};
END $write$
"""
WRITE_BATCH: Final = """
SELECT pg_temp.write_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""

# ---- a lane

# The advisory lock lives as long as the connection that commits, so nobody else can write its rows.
TRY_LANE: Final = "SELECT pg_try_advisory_lock(hashtext('guanjia.lane'), $1)"
OPEN_LANE: Final = "INSERT INTO lanes (lane, opened_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
READ_LANE: Final = """
SELECT coalesce((SELECT max(n) FROM outbox WHERE lane = $1), 0) AS outbox_n,
       (SELECT n FROM ledger_batches WHERE lane = $1 ORDER BY n DESC LIMIT 1) AS n,
       (SELECT hash FROM ledger_batches WHERE lane = $1 ORDER BY n DESC LIMIT 1) AS hash
"""

# What a lane makes of itself when it opens, and what it prepares.
SESSION_OBJECTS: Final = (SESSION_SETTINGS, SESSION_TYPES, LOAD_FUNCTION, WRITE_FUNCTION)
PREPARED: Final = {
    "CONFIGURATION_VERSION": CONFIGURATION_VERSION,
    "LOAD_BATCH": LOAD_BATCH,
    "FIND_CLAIMED": FIND_CLAIMED,
    "COUNT_GUESSES": COUNT_GUESSES,
    "LOAD_CARDS": LOAD_CARDS,
    "GIVE_BACK_REQUESTS": GIVE_BACK_REQUESTS,
    "RECORD_GUESSES": RECORD_GUESSES,
    "WRITE_BATCH": WRITE_BATCH,
}
# Every statement that stands alone, by name.
HOT_STATEMENTS: Final = {
    name: text
    for name, text in sorted(globals().items())
    if isinstance(text, str)
    and name.isupper()
    and not name.startswith(("SESSION", "_"))
    and not name.endswith("_FUNCTION")
}
"""Every statement by its name, for the tests that read them."""
