"""The questions of the audit, one for each invariant: SQL that returns the rows that break it, as (what, subject, detail).

`invariants.py` says in words what each of them holds. Each is one statement and so sees one moment.
"""

from typing import Final

from payments.settlement.close import SETTLEMENT_KINDS
from payments.states import CHANNEL_RANKS

# Every line is zero-sum by its shape, if its amount is positive and its two accounts differ; what a region owes in
# one book, the other book must show as owed to it, and nobody spends in one book what was given in another.
I1: Final = """
SELECT 'a line without a positive amount or with one account twice' AS what,
       transfer_id || '/' || ordinal AS subject, amount_fen || ' fen' AS detail
  FROM ledger_lines
 WHERE amount_fen <= 0 OR (debit_kind, debit_owner) = (credit_kind, credit_owner)
UNION ALL
SELECT 'a book does not sum to 0', 'region ' || region_id, sum(amount_fen) || ' fen'
  FROM entries GROUP BY region_id HAVING sum(amount_fen) <> 0
UNION ALL
SELECT 'money of a person stands in another book than their account', e.account_kind || ':' || e.account_owner,
       format('%s fen in region %s', -sum(e.amount_fen), e.region_id)
  FROM entries e LEFT JOIN holders h ON h.id = e.account_owner AND h.region_id = e.region_id
 WHERE e.account_kind IN ('cash', 'official', 'subsidy') AND h.id IS NULL
 GROUP BY e.account_kind, e.account_owner, e.region_id, e.lot_id HAVING sum(e.amount_fen) <> 0
UNION ALL
SELECT 'a lot stands in another book than its holder', 'lot ' || l.id, format('%s fen in region %s', l.balance_fen, l.region_id)
  FROM subsidy_lots l JOIN holders h ON h.bucket = l.bucket AND h.id = l.holder_id
 WHERE l.expired_at IS NULL AND l.region_id <> h.region_id
UNION ALL
SELECT 'money of a unit stands in another book than its account', e.account_kind || ':' || e.account_owner,
       format('%s fen in region %s', -sum(e.amount_fen), e.region_id)
  FROM entries e
  LEFT JOIN (SELECT 'unit_prefund' AS kind, unit_id, region_id FROM unit_prefunds
             UNION ALL SELECT 'unit_receivable', unit_id, region_id FROM unit_receivables) u
    ON u.kind = e.account_kind AND u.unit_id = e.account_owner AND u.region_id = e.region_id
 WHERE e.account_kind IN ('unit_prefund', 'unit_receivable') AND u.unit_id IS NULL
 GROUP BY e.account_kind, e.account_owner, e.region_id HAVING sum(e.amount_fen) <> 0
UNION ALL
SELECT 'due_to and due_from of two books differ', transfer_id::text,
       debtor || ' owes ' || creditor || ': ' || sum(amount_fen) || ' fen apart'
  FROM (SELECT transfer_id, region_id AS debtor, account_owner AS creditor, amount_fen
          FROM entries WHERE account_kind = 'due_to'
        UNION ALL
        SELECT transfer_id, account_owner, region_id, amount_fen FROM entries WHERE account_kind = 'due_from') AS owed
 GROUP BY transfer_id, debtor, creditor HAVING sum(amount_fen) <> 0
"""

# Balances that stand beside their owner carry the sign of a credit; house accounts that of a debit.
I2: Final = """
WITH folded AS (
    SELECT region_id, account_kind AS kind, account_owner AS owner, lot_id, sum(amount_fen) AS fen, count(*) AS entries
      FROM entries GROUP BY region_id, account_kind, account_owner, lot_id
), beside_owner AS (
    SELECT kind, owner, sum(fen) AS fen, sum(entries) AS entries FROM folded
     WHERE kind IN ('cash', 'official', 'unit_prefund', 'unit_receivable') GROUP BY kind, owner
), house AS (
    SELECT region_id, kind, owner, sum(fen) AS fen, sum(entries) AS entries FROM folded
     WHERE kind NOT IN ('cash', 'official', 'subsidy') GROUP BY region_id, kind, owner
), kept AS (
    SELECT region_id, kind, owner, sum(fen) AS fen, sum(entries) AS entries
      FROM (SELECT region_id, kind, owner, balance_fen AS fen, entry_count AS entries FROM account_checkpoints
            UNION ALL
            SELECT d.region_id, d.kind, d.owner, d.amount_fen, d.entry_count
              FROM account_deltas d LEFT JOIN checkpoint_vector v ON v.lane = d.lane
             WHERE d.n > coalesce(v.n, 0)) AS parts
     GROUP BY region_id, kind, owner
)
SELECT 'a purse is not the fold of its entries' AS what,
       coalesce(p.kind, f.kind) || ':' || coalesce(p.holder_id, f.owner) AS subject,
       format('%s fen and version %s, entries %s fen and %s', p.balance_fen, p.version, -f.fen, f.entries) AS detail
  FROM purses p
  FULL JOIN (SELECT * FROM beside_owner WHERE kind IN ('cash', 'official')) f ON f.owner = p.holder_id AND f.kind = p.kind
 WHERE (coalesce(p.balance_fen, 0), coalesce(p.version, 0)) <> (-coalesce(f.fen, 0), coalesce(f.entries, 0))
UNION ALL
SELECT 'a lot is not the fold of its entries', 'lot ' || coalesce(l.id, f.lot_id),
       format('%s fen and version %s, entries %s fen and %s', l.balance_fen, l.version, -f.fen, f.entries)
  FROM subsidy_lots l
  FULL JOIN (SELECT lot_id, owner, sum(fen) AS fen, sum(entries) AS entries
               FROM folded WHERE kind = 'subsidy' GROUP BY lot_id, owner) f
    ON f.lot_id = l.id AND f.owner = l.holder_id
 WHERE (coalesce(l.balance_fen, 0), coalesce(l.version, 0)) <> (-coalesce(f.fen, 0), coalesce(f.entries, 0))
UNION ALL
SELECT 'a prefund is not the fold of its entries', 'unit_prefund:' || coalesce(u.unit_id, f.owner),
       format('%s fen and version %s, entries %s fen and %s', u.balance_fen, u.version, -f.fen, f.entries)
  FROM unit_prefunds u
  FULL JOIN (SELECT * FROM beside_owner WHERE kind = 'unit_prefund') f ON f.owner = u.unit_id
 WHERE (coalesce(u.balance_fen, 0), coalesce(u.version, 0)) <> (-coalesce(f.fen, 0), coalesce(f.entries, 0))
UNION ALL
SELECT 'a receivable is not the fold of its entries', 'unit_receivable:' || coalesce(u.unit_id, f.owner),
       format('%s fen and version %s, entries %s fen and %s', u.balance_fen, u.version, f.fen, f.entries)
  FROM unit_receivables u
  FULL JOIN (SELECT * FROM beside_owner WHERE kind = 'unit_receivable') f ON f.owner = u.unit_id
 WHERE (coalesce(u.balance_fen, 0), coalesce(u.version, 0)) <> (coalesce(f.fen, 0), coalesce(f.entries, 0))
UNION ALL
SELECT 'a house account is not the fold of its entries', kind || ':' || owner || ' in region ' || region_id,
       format('%s fen and %s entries kept, %s fen and %s in the lines', k.fen, k.entries, h.fen, h.entries)
  FROM kept k FULL JOIN house h USING (region_id, kind, owner)
 WHERE (coalesce(k.fen, 0), coalesce(k.entries, 0)) <> (coalesce(h.fen, 0), coalesce(h.entries, 0))
"""

I3: Final = """
WITH held AS (
    SELECT h.holder_id, leg ->> 'purse' AS kind, (leg ->> 'lot')::uuid AS lot_id, sum((leg ->> 'amount_fen')::bigint) AS fen
      FROM holds h CROSS JOIN LATERAL json_array_elements(h.legs) AS leg
     WHERE h.state = 'open' GROUP BY 1, 2, 3
)
SELECT 'more is set aside in a purse than its open holds say, or less' AS what, p.kind || ':' || p.holder_id AS subject,
       format('%s fen held, %s fen in open holds', p.held_fen, coalesce(h.fen, 0)) AS detail
  FROM purses p LEFT JOIN held h ON h.holder_id = p.holder_id AND h.kind = p.kind AND h.lot_id IS NULL
 WHERE p.held_fen <> coalesce(h.fen, 0)
UNION ALL
SELECT 'more is set aside in a lot than its open holds say, or less', 'lot ' || l.id,
       format('%s fen held, %s fen in open holds', l.held_fen, coalesce(h.fen, 0))
  FROM subsidy_lots l LEFT JOIN held h ON h.lot_id = l.id
 WHERE l.held_fen <> coalesce(h.fen, 0)
UNION ALL
SELECT 'less than nothing is available', kind || ':' || holder_id, format('%s fen of which %s held', balance_fen, held_fen)
  FROM purses WHERE held_fen < 0 OR balance_fen < held_fen
UNION ALL
SELECT 'less than nothing is available', 'lot ' || id, format('%s fen of which %s held', balance_fen, held_fen)
  FROM subsidy_lots WHERE held_fen < 0 OR balance_fen < held_fen
"""

I4: Final = """
WITH given AS (
    SELECT payment_id, sum(amount_fen) AS fen, bool_or(kind = 'void') AS voided, count(*) AS times
      FROM reversals GROUP BY payment_id
), given_legs AS (
    SELECT r.payment_id, leg ->> 'purse' AS purse, leg ->> 'lot' AS lot, sum((leg ->> 'amount_fen')::bigint) AS fen
      FROM reversals r CROSS JOIN LATERAL json_array_elements(r.legs) AS leg GROUP BY 1, 2, 3
), paid_legs AS (
    SELECT p.id AS payment_id, leg ->> 'purse' AS purse, leg ->> 'lot' AS lot, sum((leg ->> 'amount_fen')::bigint) AS fen
      FROM payments p CROSS JOIN LATERAL json_array_elements(p.legs) AS leg
     WHERE p.id IN (SELECT payment_id FROM reversals) GROUP BY 1, 2, 3
)
SELECT 'more was given back to a purse than it had paid' AS what, 'payment ' || g.payment_id AS subject,
       format('%s %s: %s fen of %s', g.purse, g.lot, g.fen, coalesce(p.fen, 0)) AS detail
  FROM given_legs g LEFT JOIN paid_legs p
    ON p.payment_id = g.payment_id AND p.purse = g.purse AND p.lot IS NOT DISTINCT FROM g.lot
 WHERE g.fen > coalesce(p.fen, 0)
UNION ALL
SELECT 'refunded_fen is not what was given back', 'payment ' || coalesce(p.id, g.payment_id),
       format('%s fen, voids and refunds %s fen', p.refunded_fen, coalesce(g.fen, 0))
  FROM payments p FULL JOIN given g ON g.payment_id = p.id
 WHERE p.refunded_fen IS DISTINCT FROM coalesce(g.fen, 0)
UNION ALL
SELECT 'the status does not fit what was given back', 'payment ' || p.id,
       format('%s with %s of %s fen given back', p.status, coalesce(g.fen, 0), p.amount_fen)
  FROM payments p LEFT JOIN given g ON g.payment_id = p.id
 WHERE p.status <> CASE WHEN g.payment_id IS NULL THEN 'succeeded'
                        WHEN g.voided AND g.times = 1 AND g.fen = p.amount_fen THEN 'voided'
                        WHEN g.voided THEN 'a void beside others'
                        WHEN g.fen = p.amount_fen THEN 'refunded'
                        ELSE 'partially_refunded' END
"""

# Codes older than two months are dropped by the partition, so a payment may outlive its code.
I5: Final = """
SELECT 'a number of a terminal was paid twice' AS what, format('terminal %s, epoch %s, seq %s', terminal_id, epoch, seq) AS subject,
       string_agg(id::text, ' ' ORDER BY id) AS detail
  FROM payments WHERE seq IS NOT NULL GROUP BY terminal_id, epoch, seq HAVING count(*) > 1
UNION ALL
SELECT 'a key of a terminal was paid twice', format('terminal %s, key %s', terminal_id, key),
       string_agg(payment_id::text, ' ' ORDER BY payment_id)
  FROM terminal_requests GROUP BY terminal_id, key HAVING count(*) > 1
UNION ALL
SELECT 'two requests name one payment', 'payment ' || payment_id, count(*) || ' requests'
  FROM terminal_requests GROUP BY payment_id HAVING count(*) > 1
UNION ALL
SELECT 'a code was paid twice', 'code ' || code_id, string_agg(id::text, ' ' ORDER BY id)
  FROM payments WHERE code_id IS NOT NULL GROUP BY code_id HAVING count(*) > 1
UNION ALL
SELECT 'a code and its payment disagree', 'code ' || coalesce(c.id, p.code_id),
       format('used by %s, the payment with this code is %s', coalesce(c.used_by::text, 'none'), coalesce(p.id::text, 'none'))
  FROM (SELECT id, used_by FROM pay_codes WHERE used_by IS NOT NULL) c
  FULL JOIN (SELECT id, code_id FROM payments WHERE code_id >= (SELECT id FROM pay_codes ORDER BY id LIMIT 1)) p ON p.code_id = c.id
 WHERE c.used_by IS DISTINCT FROM p.id
"""

# Stored answers are kept for a week: only requests as young as the oldest of them must have one.
I6: Final = """
WITH lined AS (
    SELECT transfer_id, sum(amount_fen) FILTER (WHERE debit_kind IN ('cash', 'subsidy', 'official')) AS from_purses_fen,
           sum(amount_fen) FILTER (WHERE credit_kind = 'payable') AS to_payable_fen
      FROM ledger_lines WHERE kind = 'payment' GROUP BY transfer_id
)
SELECT 'a payment was acknowledged and does not exist' AS what, 'payment ' || a.id AS subject, 'answered ' || a.status AS detail
  FROM stored_answers a LEFT JOIN payments p ON p.id = a.id WHERE a.status = 201 AND p.id IS NULL
UNION ALL
SELECT 'a refusal was answered and yet it was paid', 'payment ' || a.id, 'answered ' || a.status
  FROM stored_answers a JOIN payments p ON p.id = a.id WHERE a.status <> 201
UNION ALL
SELECT 'an answer without its request', 'payment ' || a.id, 'answered ' || a.status
  FROM stored_answers a LEFT JOIN terminal_requests r ON r.payment_id = a.id WHERE r.payment_id IS NULL
UNION ALL
SELECT 'a request without its answer', 'payment ' || r.payment_id, format('terminal %s, seq %s', r.terminal_id, r.seq)
  FROM terminal_requests r LEFT JOIN stored_answers a ON a.id = r.payment_id
 WHERE a.id IS NULL AND r.payment_id >= (SELECT id FROM stored_answers ORDER BY id LIMIT 1)
   -- What is no sale has its answer beside its own key, and takes it here so that no sale may.
   AND r.epoch >= 0
   -- A guest's answer is kept with its key, because it is given after the gateway was asked.
   AND NOT EXISTS (SELECT FROM guest_payments g WHERE g.id = r.payment_id)
UNION ALL
SELECT 'a payment without its request', 'payment ' || p.id, format('terminal %s, epoch %s, seq %s', p.terminal_id, p.epoch, p.seq)
  FROM payments p
  LEFT JOIN terminal_requests r
    ON r.terminal_id = p.terminal_id AND r.epoch = p.epoch AND r.seq = p.seq AND r.payment_id = p.id
 WHERE p.seq IS NOT NULL AND r.payment_id IS NULL
UNION ALL
-- At a wall code the payer is the caller whose key it is.
SELECT 'a payment without its request', 'payment ' || p.id, format('paid by person %s at a wall code', p.person_id)
  FROM payments p LEFT JOIN terminal_requests r ON r.terminal_id = p.person_id AND r.payment_id = p.id
 WHERE p.seq IS NULL AND r.payment_id IS NULL
UNION ALL
SELECT 'the ledger lines are not those of the payment', 'payment ' || coalesce(p.id, l.transfer_id),
       format('%s fen paid; lines: %s fen from purses, %s fen to the canteen', p.amount_fen, l.from_purses_fen, l.to_payable_fen)
  FROM payments p FULL JOIN lined l ON l.transfer_id = p.id
 WHERE l.from_purses_fen IS DISTINCT FROM p.amount_fen OR l.to_payable_fen IS DISTINCT FROM p.amount_fen
"""

# `Line.canonical` and `chain_hash` of lines.py, written in SQL: each link is recomputed from the stored one before it.
I7: Final = r"""
WITH linked AS (
    SELECT lane, n, line_count, hash,
           lag(n, 1, 0::bigint) OVER chain AS n_before, lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER chain AS hash_before
      FROM ledger_batches WINDOW chain AS (PARTITION BY lane ORDER BY n)
), written AS (
    SELECT lane, n, count(*) AS line_count,
           string_agg(concat_ws(',', transfer_id, ordinal, kind, region_id, debit_kind || ':' || debit_owner,
                                credit_kind || ':' || credit_owner, coalesce(lot_id::text, ''), amount_fen, business_date,
                                accounting_period),
                      E'\n' ORDER BY transfer_id, ordinal) AS lines
      FROM ledger_lines GROUP BY lane, n
)
SELECT CASE WHEN b.n IS NULL THEN 'lines without a link of the chain'
            WHEN b.n <> b.n_before + 1 THEN 'a link of the chain is missing'
            ELSE 'the lines are not those that were sealed' END AS what,
       format('lane %s, n %s', coalesce(b.lane, w.lane), coalesce(b.n, w.n)) AS subject,
       format('%s lines sealed, %s there', b.line_count, coalesce(w.line_count, 0)) AS detail
  FROM linked b FULL JOIN written w ON w.lane = b.lane AND w.n = b.n
 WHERE b.n IS NULL OR w.n IS NULL OR b.n <> b.n_before + 1 OR b.line_count <> w.line_count
    OR b.hash <> sha256(b.hash_before || convert_to(w.lines, 'UTF8'))
"""

# A batch is one region's period. What a line was booked in is told by its row; what was closed of it, by the vector that
# the cut-off stored, the totals of the close and the statements made from them.
_SETTLING: Final = ", ".join(f"'{kind}'" for kind in SETTLEMENT_KINDS)
I8: Final = f"""
WITH closed AS (
    SELECT id, region_id, period, vector, clearing_id FROM accounting_periods WHERE vector IS NOT NULL
), counted AS (
    SELECT c.id, c.region_id, c.period FROM closed c JOIN accounting_periods p USING (id) WHERE p.aggregates_hash IS NOT NULL
), in_lines AS (
    SELECT c.id, e.account_kind AS kind, e.account_owner AS owner, sum(e.amount_fen) AS fen, count(*) AS entries
      FROM entries e JOIN counted c ON c.region_id = e.region_id AND c.period = e.accounting_period
     WHERE e.account_kind NOT IN ('cash', 'subsidy', 'official', 'receivable') GROUP BY 1, 2, 3
), in_totals AS (
    SELECT settlement_id AS id, account_kind AS kind, account_owner AS owner, sum(debit_fen - credit_fen) AS fen,
           sum(line_count) AS entries
      FROM settlement_totals WHERE account_kind NOT IN ('cash', 'subsidy', 'official', 'receivable') GROUP BY 1, 2, 3
), stated AS (
    SELECT s.id, s.settlement_id, s.kind, s.party_id, s.net_fen, s.due_fen, s.disputed_fen, coalesce(sum(t.credit_fen - t.debit_fen), 0) AS fen
      FROM settlement_statements s
      LEFT JOIN settlement_totals t
        ON t.settlement_id = s.settlement_id AND t.account_owner = s.party_id AND t.kind NOT IN ({_SETTLING})
       AND t.account_kind IN (CASE s.kind WHEN 'canteen' THEN 'payable' WHEN 'unit' THEN 'unit_prefund' ELSE 'due_to' END,
                              CASE s.kind WHEN 'canteen' THEN 'payable' WHEN 'unit' THEN 'unit_receivable' ELSE 'due_from' END)
     WHERE s.kind <> 'operator' GROUP BY 1, 2, 3, 4, 5, 6, 7
)
SELECT 'a line was booked in a period after its cut-off' AS what, l.transfer_id || '/' || l.ordinal AS subject,
       format('period %s of region %s, lane %s, n %s', c.period, c.region_id, l.lane, l.n) AS detail
  FROM ledger_lines l JOIN closed c ON c.region_id = l.region_id AND c.period = l.accounting_period
 WHERE l.n > coalesce((c.vector ->> l.lane::text)::bigint, 0)
UNION ALL
SELECT 'a payment stands in more than one period, or in another than it says', 'payment ' || l.transfer_id,
       format('%s in its lines, the payment says %s', string_agg(DISTINCT l.accounting_period, ' '), max(p.accounting_period))
  FROM ledger_lines l LEFT JOIN payments p ON p.id = l.transfer_id
 WHERE l.kind = 'payment'
 GROUP BY l.transfer_id HAVING count(DISTINCT l.accounting_period) > 1 OR min(l.accounting_period) <> max(p.accounting_period)
UNION ALL
SELECT 'what was counted is not what the lines say', format('settlement %s, %s:%s', id, kind, owner),
       format('%s fen and %s entries counted, %s fen and %s in the lines', t.fen, t.entries, l.fen, l.entries)
  FROM in_totals t FULL JOIN in_lines l USING (id, kind, owner)
 WHERE (t.fen, t.entries) IS DISTINCT FROM (l.fen, l.entries)
UNION ALL
SELECT 'a statement is not the sum of its lines', 'statement ' || id, format('%s fen, its lines %s fen', net_fen, fen)
  FROM stated WHERE net_fen <> fen
UNION ALL
SELECT 'the shares of a canteen do not sum to the whole', format('settlement %s, canteen %s', settlement_id, site_id),
       format('%s of %s fen', sum(amount_fen), max(base_fen))
  FROM settlement_shares GROUP BY settlement_id, site_id HAVING sum(amount_fen) <> max(base_fen)
UNION ALL
SELECT 'a canteen is not instructed what it is due', 'statement ' || s.id,
       format('%s fen due, %s fen instructed', s.due_fen, coalesce(sum(i.amount_fen), 0))
  FROM stated s JOIN closed c ON c.id = s.settlement_id AND c.clearing_id IS NOT NULL
  LEFT JOIN bank_instructions i ON i.settlement_id = s.settlement_id AND i.kind = 'canteen_payout' AND i.creditor_id = s.party_id
 WHERE s.kind = 'canteen' AND s.due_fen > 0
 GROUP BY s.id, s.due_fen HAVING s.due_fen <> coalesce(sum(i.amount_fen), 0)
"""  # noqa: S608  made from our own list of kinds

# Counted by ordinal within the outbox's rows: one row tells of a whole batch.
I9: Final = """
WITH told AS (
    SELECT event ->> 'type' AS type,
           event -> 'data' ->> CASE event ->> 'type'
               WHEN 'payment.succeeded' THEN 'payment' WHEN 'payment.voided' THEN 'void' WHEN 'payment.refunded' THEN 'refund'
               WHEN 'top_up.succeeded' THEN 'top_up' WHEN 'subsidy.granted' THEN 'lot'
               WHEN 'subsidy.expired' THEN 'lot' WHEN 'subsidy.carried_over' THEN 'lot'
               WHEN 'subsidy.taken_back' THEN 'lot'
               WHEN 'top_up.refunded' THEN 'refund' WHEN 'guest_payment.refunded' THEN 'refund'
               WHEN 'guest_payment.succeeded' THEN 'guest_payment' END AS subject
      FROM outbox CROSS JOIN LATERAL json_array_elements(events::json) AS event
     WHERE event ->> 'type' IN
           ('payment.succeeded', 'payment.voided', 'payment.refunded', 'top_up.succeeded', 'guest_payment.succeeded',
            'subsidy.granted', 'subsidy.expired', 'subsidy.carried_over', 'subsidy.taken_back', 'top_up.refunded',
            'guest_payment.refunded')
), counted AS (
    SELECT type, subject, count(*) AS times FROM told GROUP BY type, subject
), changes (type, subject) AS (
    SELECT 'payment.succeeded', 'pay_' || replace(id::text, '-', '') FROM payments
    UNION ALL
    SELECT 'payment.voided', 'void_' || replace(id::text, '-', '') FROM reversals WHERE kind = 'void'
    UNION ALL
    SELECT 'payment.refunded', 'ref_' || replace(id::text, '-', '') FROM reversals WHERE kind = 'refund'
    UNION ALL
    SELECT 'top_up.succeeded', 'top_' || replace(id::text, '-', '') FROM top_ups WHERE state = 'succeeded'
    UNION ALL
    SELECT 'guest_payment.succeeded', 'gst_' || replace(id::text, '-', '') FROM guest_payments WHERE status = 'succeeded'
    UNION ALL
    SELECT CASE debit_kind WHEN 'cash' THEN 'top_up.refunded' ELSE 'guest_payment.refunded' END,
           'rfd_' || replace(id::text, '-', '') FROM channel_refunds WHERE debit_kind IN ('cash', 'payable')
    UNION ALL
    SELECT 'subsidy.granted', 'lot_' || replace(transfer_id::text, '-', '') FROM ledger_lines WHERE kind = 'grant'
    UNION ALL
    -- Before what ends was told of, it ended in silence: those lots have no grant beside them.
    SELECT 'subsidy.expired', 'lot_' || replace(l.id::text, '-', '')
      FROM ledger_lines e JOIN subsidy_lots l ON l.id = e.lot_id WHERE e.kind = 'expiry' AND l.grant_id IS NOT NULL
    UNION ALL
    SELECT 'subsidy.carried_over', 'lot_' || replace(lot_id::text, '-', '')
      FROM ledger_lines WHERE kind = 'carry_over' AND credit_kind = 'subsidy'
    UNION ALL
    SELECT 'subsidy.taken_back', 'lot_' || replace(lot_id::text, '-', '') FROM ledger_lines WHERE kind = 'grant_reversal' AND debit_kind = 'subsidy'
)
SELECT CASE WHEN c.subject IS NULL THEN 'told and did not happen' ELSE 'happened and was not told once' END AS what,
       coalesce(c.type, t.type) || ' ' || coalesce(c.subject, t.subject) AS subject,
       'told ' || coalesce(t.times, 0) || ' times' AS detail
  FROM changes c FULL JOIN counted t ON t.type = c.type AND t.subject = c.subject
 WHERE c.subject IS NULL OR t.times IS DISTINCT FROM 1
"""

# What a gateway has confirmed stands in its clearing account, or a person is looking into it. What was taken back by a
# cancelled order was never confirmed.
I10: Final = """
WITH booked AS (
    SELECT transfer_id, sum(amount_fen) AS fen FROM ledger_lines
     WHERE (debit_kind = 'psp_clearing' AND kind <> 'payout') OR (credit_kind = 'psp_clearing' AND kind IN ('withdrawal', 'channel_refund'))
     GROUP BY transfer_id
), open_cases AS (
    SELECT channel, order_name, order_id FROM difference_cases WHERE resolved_at IS NULL
)
SELECT 'what the gateway confirmed is not what was booked' AS what, 'channel order ' || coalesce(o.id, b.transfer_id) AS subject,
       format('%s: %s fen confirmed, %s fen booked', o.state, coalesce(o.confirmed_fen, 0), coalesce(b.fen, 0)) AS detail
  FROM channel_orders o FULL JOIN booked b ON b.transfer_id = o.id
 WHERE coalesce(o.confirmed_fen, 0) <> coalesce(b.fen, 0) AND NOT EXISTS (SELECT FROM open_cases c WHERE c.order_id = o.id)
UNION ALL
SELECT 'a top-up does not stand as its order does', 'top-up ' || coalesce(t.id, o.id),
       format('%s, its order %s', coalesce(t.state, 'missing'), coalesce(o.state, 'missing'))
  FROM (SELECT * FROM top_ups WHERE channel <> 'counter') t
  FULL JOIN (SELECT * FROM channel_orders WHERE purpose = 'top_up') o ON o.id = t.id
 WHERE (t.state = 'succeeded') IS DISTINCT FROM (o.state = 'succeeded') OR t.amount_fen IS DISTINCT FROM o.amount_fen
UNION ALL
SELECT 'a guest payment does not stand as its order does', 'guest payment ' || coalesce(g.id, o.id),
       format('%s, its order %s', coalesce(g.status, 'missing'), coalesce(o.state, 'missing'))
  FROM guest_payments g FULL JOIN (SELECT * FROM channel_orders WHERE purpose = 'guest_payment') o ON o.id = g.id
 WHERE (g.status = 'succeeded') IS DISTINCT FROM (o.state = 'succeeded') OR g.amount_fen IS DISTINCT FROM o.amount_fen
UNION ALL
SELECT 'a refund does not stand as its order does', 'refund ' || coalesce(r.id, o.id),
       format('%s, its order %s', coalesce(r.status, 'missing'), coalesce(o.state, 'missing'))
  FROM channel_refunds r FULL JOIN (SELECT * FROM channel_orders WHERE purpose = 'refund') o ON o.bucket = r.bucket AND o.id = r.id
 WHERE (r.status = 'succeeded') IS DISTINCT FROM (o.state = 'succeeded') OR r.amount_fen IS DISTINCT FROM o.amount_fen
UNION ALL
SELECT 'what an order gave back is not the sum of its refunds', 'channel order ' || o.id,
       format('%s fen, its refunds %s fen', o.refunded_fen, coalesce(r.fen, 0))
  FROM channel_orders o
  LEFT JOIN (SELECT bucket, order_id, sum(amount_fen) AS fen FROM channel_refunds WHERE status <> 'failed' GROUP BY 1, 2) r
    ON r.bucket = o.bucket AND r.order_id = o.id
 WHERE o.refunded_fen <> coalesce(r.fen, 0)
UNION ALL
SELECT 'what is under way through the gateways is not what the pending refunds say', 'psp_refunds',
       format('%s fen in the books, %s fen pending', booked.fen, pending.fen)
  FROM (SELECT coalesce(-sum(amount_fen), 0) AS fen FROM entries WHERE account_kind = 'psp_refunds') AS booked,
       (SELECT coalesce(sum(amount_fen), 0) AS fen FROM channel_refunds WHERE status = 'pending') AS pending
 WHERE booked.fen <> pending.fen
UNION ALL
SELECT 'a withdrawal does not stand as its order and its hold do', 'withdrawal ' || coalesce(w.id, o.id),
       format('%s, its order %s, its hold %s', coalesce(w.state, 'missing'), coalesce(o.state, 'missing'), h.state)
  FROM withdrawals w
  FULL JOIN (SELECT * FROM channel_orders WHERE purpose = 'withdrawal') o ON o.bucket = w.bucket AND o.id = w.id
  LEFT JOIN holds h ON h.bucket = w.bucket AND h.id = w.hold_id
 WHERE (w.state = 'paid') IS DISTINCT FROM (coalesce(o.state, '') = 'succeeded')
    OR (o.id IS NOT NULL AND w.amount_fen IS DISTINCT FROM o.amount_fen)
    OR h.amount_fen IS DISTINCT FROM w.amount_fen
    OR h.state IS DISTINCT FROM CASE WHEN w.state IN ('asked', 'sending', 'unknown') THEN 'open'
                                     WHEN w.state = 'paid' THEN 'captured' ELSE 'released' END
UNION ALL
SELECT 'a gateway told of money for an order that we do not have, and nobody looks into it',
       'notice ' || n.notice_id, format('%s, %s fen', n.order_name, n.amount_fen)
  FROM channel_notices n LEFT JOIN channel_orders o ON o.id = n.order_id
 WHERE n.word = 'pay' AND o.id IS NULL
   AND NOT EXISTS (SELECT FROM difference_cases c WHERE c.channel = n.channel AND c.order_name = n.order_name)
"""

_RANKS: Final = ", ".join(f"('{state}', {rank})" for state, rank in CHANNEL_RANKS.items())
I11: Final = f"""
WITH ranks (state, rank) AS (VALUES {_RANKS}), walked AS (
    SELECT bucket, order_id, ordinal, state, rank, lag(rank) OVER steps AS rank_before, lag(ordinal) OVER steps AS ordinal_before,
           lead(ordinal) OVER steps IS NULL AS is_last
      FROM channel_steps WINDOW steps AS (PARTITION BY bucket, order_id ORDER BY ordinal)
)
SELECT 'less was known of an order after a step than before' AS what, format('channel order %s, step %s', order_id, ordinal) AS subject,
       format('%s, rank %s after %s', state, rank, rank_before) AS detail
  FROM walked WHERE rank <= rank_before OR ordinal <> coalesce(ordinal_before + 1, 0)
UNION ALL
SELECT 'a step has another rank than its state', format('channel order %s, step %s', w.order_id, w.ordinal),
       format('%s, rank %s', w.state, w.rank)
  FROM walked w LEFT JOIN ranks r ON r.state = w.state WHERE r.rank IS DISTINCT FROM w.rank
UNION ALL
SELECT 'an order does not stand where its last step led', 'channel order ' || coalesce(o.id, w.order_id),
       format('%s, the step says %s', o.state, w.state)
  FROM channel_orders o FULL JOIN (SELECT * FROM walked WHERE is_last) w ON w.bucket = o.bucket AND w.order_id = o.id
 WHERE o.state IS DISTINCT FROM w.state
"""  # noqa: S608  made from our own table of states

I12: Final = """
SELECT 'the legs do not sum to the whole' AS what, 'payment ' || id AS subject, amount_fen || ' fen, legs ' || legs AS detail
  FROM payments
 WHERE amount_fen IS DISTINCT FROM (SELECT sum((leg ->> 'amount_fen')::bigint) FROM json_array_elements(legs) AS leg)
UNION ALL
SELECT 'the legs do not sum to the whole', kind || ' ' || id, amount_fen || ' fen, legs ' || legs
  FROM reversals
 WHERE amount_fen IS DISTINCT FROM (SELECT sum((leg ->> 'amount_fen')::bigint) FROM json_array_elements(legs) AS leg)
UNION ALL
SELECT 'the legs do not sum to the whole', 'hold ' || id, amount_fen || ' fen, legs ' || legs
  FROM holds
 WHERE amount_fen IS DISTINCT FROM (SELECT sum((leg ->> 'amount_fen')::bigint) FROM json_array_elements(legs) AS leg)
UNION ALL
SELECT 'a lot holds less than nothing or more than was granted', 'lot ' || id, format('%s of %s fen', balance_fen, granted_fen)
  FROM subsidy_lots WHERE balance_fen < 0 OR balance_fen > granted_fen
UNION ALL
SELECT 'a lot has ended and still holds money', 'lot ' || id, balance_fen || ' fen'
  FROM subsidy_lots WHERE expired_at IS NOT NULL AND balance_fen <> 0
"""

I13: Final = """
SELECT 'more than one subsidised meal' AS what, format('holder %s, %s on %s', holder_id, meal, business_date) AS subject,
       string_agg(id::text, ' ' ORDER BY id) AS detail
  FROM (SELECT p.id, p.holder_id, p.business_date, p.context ->> 'meal' AS meal FROM payments p
         WHERE p.status NOT IN ('voided', 'refunded')
           AND EXISTS (SELECT FROM json_array_elements(p.legs) AS leg WHERE leg ->> 'purse' = 'subsidy')) AS subsidised
 WHERE meal IS NOT NULL
 GROUP BY holder_id, business_date, meal HAVING count(*) > 1
"""

I14: Final = """
WITH said AS (
    SELECT id, 'charge' AS kind, 'charge ' || id AS subject, home_region_id, funded_by, unit_id, site_id, host_region_id, amount_fen
      FROM service_charges
    UNION ALL
    SELECT r.id, 'charge_refund', 'charge refund ' || r.id, c.home_region_id, c.funded_by, c.unit_id, c.site_id, c.host_region_id,
           r.amount_fen
      FROM charge_refunds r JOIN service_charges c ON c.id = r.charge_id
), booked AS (
    SELECT transfer_id, kind,
           sum(CASE WHEN account_kind IN ('unit_prefund', 'unit_receivable') THEN amount_fen END) AS unit_fen,
           sum(CASE WHEN account_kind = 'payable' THEN -amount_fen END) AS payable_fen,
           min(CASE WHEN account_kind IN ('unit_prefund', 'unit_receivable') THEN account_kind END) AS funded_by,
           min(CASE WHEN account_kind IN ('unit_prefund', 'unit_receivable') THEN account_owner::text END) AS unit_id,
           min(CASE WHEN account_kind = 'payable' THEN account_owner::text END) AS site_id
      FROM entries WHERE kind IN ('charge', 'charge_refund') GROUP BY transfer_id, kind
)
SELECT 'a charge and the ledger say different things' AS what, coalesce(s.subject, b.kind || ' ' || b.transfer_id) AS subject,
       format('%s fen; the ledger %s from the unit and %s to who served', s.amount_fen, b.unit_fen, b.payable_fen) AS detail
  FROM said s FULL JOIN booked b ON b.transfer_id = s.id AND b.kind = s.kind
 WHERE s.id IS NULL OR b.transfer_id IS NULL
    OR (s.funded_by, s.unit_id::text, s.site_id::text) IS DISTINCT FROM (b.funded_by, b.unit_id, b.site_id)
    OR s.amount_fen IS DISTINCT FROM CASE s.kind WHEN 'charge' THEN b.unit_fen ELSE -b.unit_fen END
    OR b.unit_fen IS DISTINCT FROM b.payable_fen
UNION ALL
SELECT 'a charge says another sum given back than its refunds', 'charge ' || c.id,
       format('%s fen, its refunds %s', c.refunded_fen, coalesce(sum(r.amount_fen), 0))
  FROM service_charges c LEFT JOIN charge_refunds r ON r.charge_id = c.id
 GROUP BY c.id HAVING c.refunded_fen <> coalesce(sum(r.amount_fen), 0)
"""
