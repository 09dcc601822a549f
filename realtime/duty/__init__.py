"""The duty rota: who comes when somebody calls, at each hour of the day and the night.

Owns: teams, rotations, overrides, swaps, hand-over notes, sign-ins to duty, calendars to subscribe to, and the look ahead that
finds a gap before it comes. Invariants: shifts are no rows but a pure function of rotations and overrides
(`rotations.py`), so no job that dies can leave tomorrow empty; a rotation, once made, only ends; nobody stands twice in a
rota at one instant; who is on duty stands in the rota and has said so (`sign_ins.py`), and a caller who knows who is there
asks for that too (`Presence`).

Begin with `rotations.py` (no database, no clock), then `rota.py` (the rota of teams in a span of time), `coverage.py`
(gaps, and hours in which nobody would be reached) and `rings.py` (the test at each shift's start).
"""
