"""The promise of a work order: answered, somebody there, and done by when; counted in the working time of the place.

Owns: targets by category and urgency, the hours of places, one clock for each order with its milestones and pauses.
Invariants: only the listed causes stop a clock, and each stop is a row; what is reached is counted from one start through all
pauses and reopenings; a warning and a breach of a milestone are told once each, whatever dies in between; targets and hours
are those of the moment in which the order was raised, the days those that the calendar has now. A date that lies in a year
which nobody has entered is shown with that warning, and counted anew when the year is there.
Neighbours: repairs/orders starts, stops and reads the clocks (api.py), realtime/duty says who leads, realtime/reaching tells.

Begin with `counting.py` (pure: pauses over a work calendar), then `service.py` (what happens to a clock), `striking.py` (what
happens when it strikes), `promises.py` (which target and which hours count for an order).
"""
