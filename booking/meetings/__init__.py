"""A meeting: hall, hotel rooms, cars, meals and badges asked for as one, and held as one.

Owns: meetings and their lines, agenda and contacts, guests with their codes and arrivals, the cost sheet, the letters that
go to guests. Invariants: all lines of a request are held in one transaction or none is; who holds several things takes its
locks in one order, so that two meetings never wait for each other; a hold that nobody confirms ends by itself; a guest's
code counts once at each step, whoever scanned it and whenever it is uploaded; a unit is charged once.

What a line holds is nobody's business here: each kind is a `MeetingLine` (`lines.py`), registered in app/wiring.py. Halls,
rooms and cars are booking's own (`bookable_lines.py`); meals are the canteens'.
Begin with `states.py`, then `lines.py`, `holding.py` (all or nothing, and what else would do) and `service.py`.
"""
