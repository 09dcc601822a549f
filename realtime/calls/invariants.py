"""What must hold of calls at every moment: no crash has forgotten one, nobody was rung twice for one step, somebody has it or rings.

`guanjia audit` asks these beside those of money (app/invariants.py); each story of tests/realtime/calls ends with them, and so
does the one in which every part is killed under a thousand calls.
"""

from collections.abc import Collection
from typing import Final

from kernel.invariants import Invariant
from realtime.calls import ringing
from realtime.calls.states import CALL, OPEN, TAKEN, TIMED, WAITING

# What is noted without a move: placed only as the first, the others wherever the call stands.
_NOTED: Final = ("place", "press", "ask", "remind")
# After these nobody has it, and a step may ring anew.
_LET_GO: Final = ("release", "time_out", "hand_over")


def _listed(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _moves() -> str:
    return ", ".join(f"('{before}', '{trigger}', '{after}')" for (before, trigger), after in CALL.items())


_C1: Final = f"""
SELECT 'an open call without its timer' AS what, 'call ' || c.id AS subject, format('%s, due at %s', c.state, c.due_at) AS detail
  FROM calls c LEFT JOIN timers t ON t.kind = '{ringing.TIMER_KIND}' AND t.ref = 'call_' || replace(CAST(c.id AS text), '-', '')
 WHERE c.state IN ({_listed(TIMED)}) AND t.id IS NULL
UNION ALL
SELECT 'a timer strikes at another instant than its call says', 'call ' || c.id, format('%s and %s', t.due_at, c.due_at)
  FROM calls c JOIN timers t ON t.kind = '{ringing.TIMER_KIND}' AND t.ref = 'call_' || replace(CAST(c.id AS text), '-', '')
 WHERE c.state IN ({_listed(TIMED)}) AND t.due_at IS DISTINCT FROM c.due_at
UNION ALL
SELECT 'a timer of a call that has ended', t.ref, format('due at %s', t.due_at)
  FROM timers t LEFT JOIN calls c
    ON t.ref = 'call_' || replace(CAST(c.id AS text), '-', '') AND c.state IN ({_listed(TIMED)})
 WHERE t.kind = '{ringing.TIMER_KIND}' AND c.id IS NULL
"""  # noqa: S608  made from our own tables of states

_C2: Final = f"""
SELECT 'a taken call that nobody has, or its caller' AS what, 'call ' || id AS subject, state AS detail
  FROM calls WHERE state IN ({_listed(TAKEN)}) AND (acker_id IS NULL OR acker_id IS NOT DISTINCT FROM caller_id)
UNION ALL
SELECT 'a call that rings and that somebody has', 'call ' || id, state
  FROM calls WHERE state IN ({_listed((*WAITING, "missed"))}) AND acker_id IS NOT NULL
UNION ALL
SELECT 'a call was taken while somebody had it', 'call ' || call_id, format('at step %s by %s', ordinal, actor)
  FROM (SELECT call_id, ordinal, actor, trigger, lag(trigger) OVER (PARTITION BY call_id ORDER BY ordinal) AS before
          FROM call_steps WHERE trigger IN ('acknowledge', {_listed(_LET_GO)})) AS taking
 WHERE trigger = 'acknowledge' AND before = 'acknowledge'
"""  # noqa: S608  made from our own tables of states

_C3: Final = f"""
SELECT 'a step that the state table does not know' AS what, 'call ' || call_id AS subject,
       format('step %s: %s, %s, %s', ordinal, before, trigger, state) AS detail
  FROM (SELECT call_id, ordinal, trigger, state, lag(state) OVER (PARTITION BY call_id ORDER BY ordinal) AS before
          FROM call_steps) AS walked
 WHERE NOT CASE WHEN trigger = 'place' THEN ordinal = 1 AND state = 'placed'
                WHEN trigger IN ({_listed(_NOTED)}) THEN state IS NOT DISTINCT FROM before
                ELSE before IS NOT NULL AND (before, trigger, state) IN ({_moves()}) END
UNION ALL
SELECT 'a history with a hole, or one that ends elsewhere', 'call ' || c.id,
       format('%s steps of %s, the last %s, the call %s', count(s.ordinal), c.version,
              (array_agg(s.state ORDER BY s.ordinal DESC))[1], c.state)
  FROM calls c LEFT JOIN call_steps s ON s.call_id = c.id
 GROUP BY c.id
HAVING count(s.ordinal) <> c.version OR max(s.ordinal) IS DISTINCT FROM c.version
    OR (array_agg(s.state ORDER BY s.ordinal DESC))[1] IS DISTINCT FROM c.state
"""  # noqa: S608  made from our own tables of states

_C4: Final = f"""
SELECT 'a step escalated twice' AS what, 'call ' || call_id AS subject, format('loop %s, step %s', loop, step) AS detail
  FROM (SELECT call_id, trigger, loop, step,
               count(*) FILTER (WHERE trigger IN ({_listed(_LET_GO)})) OVER (PARTITION BY call_id ORDER BY ordinal) AS turn
          FROM call_steps) AS counted
 WHERE trigger = 'escalate' GROUP BY call_id, turn, loop, step HAVING count(*) > 1
UNION ALL
SELECT 'a ring or a receipt of a round that was never rung', 'call ' || c.id, format('round %s of %s', r.ring_round, c.ring_round)
  FROM calls c JOIN (SELECT call_id, ring_round FROM call_rings UNION SELECT call_id, ring_round FROM call_receipts) r
    ON r.call_id = c.id AND r.ring_round NOT BETWEEN 1 AND c.ring_round
"""  # noqa: S608  made from our own tables of states

_C5: Final = """
SELECT 'a missed call ended without a cause in writing' AS what, 'call ' || id AS subject, state AS detail
  FROM calls WHERE missed_at IS NOT NULL AND state IN ('resolved', 'rated') AND cause = ''
UNION ALL
SELECT 'a call was missed, and does not say so', 'call ' || c.id, c.state
  FROM calls c WHERE (c.missed_at IS NULL) = EXISTS (SELECT FROM call_steps s WHERE s.call_id = c.id AND s.trigger = 'miss')
UNION ALL
SELECT 'nobody ended a missed call', 'call ' || s.call_id, s.actor
  FROM call_steps s JOIN calls c ON c.id = s.call_id
 WHERE s.trigger = 'resolve' AND c.missed_at IS NOT NULL AND s.actor = 'system'
"""

_C6: Final = f"""
SELECT 'a caller with more than one open call' AS what, caller_key AS subject, count(*) || ' calls' AS detail
  FROM calls WHERE state IN ({_listed(OPEN)}) AND handed_to IS NULL GROUP BY caller_key HAVING count(*) > 1
UNION ALL
SELECT 'one press, several calls', caller_key, format('press %s', client_id)
  FROM calls GROUP BY caller_key, client_id HAVING count(*) > 1
UNION ALL
SELECT 'somebody else pulled the caller''s trigger', 'call ' || s.call_id, format('%s by %s', s.trigger, s.actor)
  FROM call_steps s JOIN calls c ON c.id = s.call_id
 WHERE s.trigger IN ('place', 'press', 'cancel', 'rate') AND s.actor <> c.caller_key
UNION ALL
SELECT 'the caller came to their own call', 'call ' || s.call_id, s.trigger
  FROM call_steps s JOIN calls c ON c.id = s.call_id
 WHERE s.trigger IN ('acknowledge', 'join', 'connect', 'arrive') AND s.actor = c.caller_key
"""  # noqa: S608  made from our own tables of states

INVARIANTS: Final = (
    Invariant(
        "C1",
        "每个未结呼叫恰有一个待响的定时器",
        "Each call that is not over has exactly one timer waiting, at the instant that the call says; no other call has one",
        _C1,
    ),
    Invariant(
        "C2",
        "每个呼叫至多一人接下, 正在响铃的呼叫无人占有",
        "A call that is taken has one who leads, never its caller; one that rings has nobody, and nobody took it while it was taken",
        _C2,
    ),
    Invariant(
        "C3",
        "每个呼叫的经历完整且只走状态表上的路",
        "The history of a call is whole and follows the state table, and the call stands where its last step left it",
        _C3,
    ),
    Invariant(
        "C4",
        "每一步只升级一次",
        "A step of a policy is escalated to once, unless somebody let the call go in between; only rounds that rang have rings",
        _C4,
    ),
    Invariant(
        "C5",
        "无人应答的呼叫必须由人写明原因才能结案",
        "A missed call ends by a person and with a cause in writing",
        _C5,
    ),
    Invariant(
        "C6",
        "一人同时至多一个未结呼叫, 发起、取消、评价只由本人",
        "A caller has one open call, a press makes one, and only the caller presses, cancels and rates",
        _C6,
    ),
)
