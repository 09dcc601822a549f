"""The one-touch call: somebody presses a button, those on duty ring, and one of them comes.

Owns: calls with their steps, rings, receipts and messages; escalation policies; wall buttons; the desk with its presence.
Invariants: a press is committed together with its first ring and its clock; a caller has one open call, and further presses
raise its urgency; the first who acknowledges has it; every open call has a timer waiting, so that no crash forgets one; an
escalation happens once; a missed call ends with a cause in writing. A policy is frozen into the call as it is placed.
Neighbours: realtime/duty (who is on duty), realtime/reaching (who has no page open), realtime/audio (voices).

Begin with `states.py` (the machine and whose trigger each is), then `service.py` (place a call, pull a trigger, let the
clock strike), `ringing.py` (one step of a policy), `policies.py`, and `desk.py` (what the desk's queue is in Valkey).
"""
