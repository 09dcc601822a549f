"""What must hold of meetings at every moment: nothing is held for nobody, nothing is held for ever, each is charged once.

`guanjia audit` asks these beside those of money (app/invariants.py).
"""

from collections.abc import Collection
from typing import Final

from booking.meetings.service import TIMER_KIND
from booking.meetings.states import OPEN
from kernel.invariants import Invariant


def _listed(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_HOLDING: Final = ("held", "pending_approval", "confirmed", "checked_in", "in_use")

_M1: Final = f"""
SELECT 'a booking is held for a meeting that does not stand' AS what, 'booking ' || b.id AS subject,
       format('%s, meeting %s: %s', b.state, b.meeting_id, coalesce(m.state, 'none')) AS detail
  FROM bookings b LEFT JOIN meetings m ON m.id = b.meeting_id
 WHERE b.meeting_id IS NOT NULL AND b.state IN ({_listed(_HOLDING)}) AND (m.id IS NULL OR m.state NOT IN ({_listed(OPEN)}))
UNION ALL
SELECT 'a booking is held for no line of its meeting', 'booking ' || b.id, format('%s, meeting %s', b.state, b.meeting_id)
  FROM bookings b
 WHERE b.meeting_id IS NOT NULL AND b.state IN ({_listed(_HOLDING)})
   AND NOT EXISTS (SELECT FROM meeting_lines l
                    WHERE l.meeting_id = b.meeting_id AND l.state <> 'released' AND b.id = ANY (l.refs))
UNION ALL
SELECT 'a line holds what is not there', 'line ' || l.id, format('%s %s', l.kind, ref)
  FROM meeting_lines l CROSS JOIN unnest(l.refs) AS ref
 WHERE NOT EXISTS (SELECT FROM bookings b WHERE b.id = ref AND b.meeting_id = l.meeting_id)
   AND NOT EXISTS (SELECT FROM covers c WHERE c.id = ref)
"""  # noqa: S608  made from our own tables of states

_M2: Final = f"""
SELECT 'an open meeting without its timer' AS what, 'meeting ' || m.id AS subject, m.state AS detail
  FROM meetings m LEFT JOIN timers t ON t.kind = '{TIMER_KIND}' AND t.ref = 'mtg_' || replace(CAST(m.id AS text), '-', '')
 WHERE m.state IN ({_listed(OPEN)}) AND t.id IS NULL
UNION ALL
SELECT 'a timer of a meeting that has ended', t.ref, format('due at %s', t.due_at)
  FROM timers t LEFT JOIN meetings m
    ON t.ref = 'mtg_' || replace(CAST(m.id AS text), '-', '') AND m.state IN ({_listed(OPEN)})
 WHERE t.kind = '{TIMER_KIND}' AND m.id IS NULL
"""  # noqa: S608  as above

_M3: Final = """
SELECT 'covers that are taken and those that are counted differ' AS what,
       format('canteen %s, %s on %s', d.canteen_id, d.meal, d.business_date) AS subject,
       format('%s counted, %s taken', d.taken, coalesce(sum(c.covers), 0)) AS detail
  FROM cover_days d LEFT JOIN covers c
    ON c.canteen_id = d.canteen_id AND c.business_date = d.business_date AND c.meal = d.meal AND c.state <> 'released'
 GROUP BY d.canteen_id, d.business_date, d.meal, d.taken HAVING d.taken <> coalesce(sum(c.covers), 0)
"""

_M4: Final = """
SELECT 'a meeting and its charge say different sums' AS what, 'meeting ' || m.meeting_id AS subject,
       format('%s less %s, charged %s less %s', m.amount_fen, m.refunded_fen, s.amount_fen, s.refunded_fen) AS detail
  FROM meeting_charges m LEFT JOIN service_charges s ON s.reference = m.reference
 WHERE (m.amount_fen, m.refunded_fen) IS DISTINCT FROM (s.amount_fen, s.refunded_fen)
UNION ALL
SELECT 'a charge for a meeting that knows nothing of it', 'charge ' || s.id, format('%s fen', s.amount_fen)
  FROM service_charges s WHERE s.kind = 'meeting' AND NOT EXISTS (SELECT FROM meeting_charges m WHERE m.reference = s.reference)
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(
        "M1",
        "会议占用的资源都属于仍然有效的会议及其项目",
        "What is held for a meeting belongs to a line of a meeting that stands, and each line holds what is there",
        _M1,
    ),
    Invariant(
        "M2",
        "每个未结束的会议都有定时, 已结束的没有",
        "Every open meeting has its timer, so that nothing is held for ever; one that has ended has none",
        _M2,
    ),
    Invariant(
        "M3",
        "每餐已订份数与会议占用的份数一致",
        "The covers that are counted for a meal are the sum of those that meetings hold",
        _M3,
    ),
    Invariant(
        "M4",
        "会议记录的费用与账上一致, 每个收款方只收一次",
        "What a meeting says it was charged is what stands in payments, once for each who was paid",
        _M4,
    ),
)
