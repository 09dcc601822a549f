"""What every domain needs and no domain owns: settings, database, errors, clock, ids, money, events, timers.

The kernel knows no domain noun: nothing in here may say "payment", "canteen" or "person". It imports no other folder
of the house. Begin with `db.py` (one transaction), `errors.py` (what a caller is told) and `outbox.py` (what others
are told, after the commit).
"""
