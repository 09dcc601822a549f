"""Booking: halls, hotel rooms and cars, each held by one request at a time.

Owns: what can be booked (`Bookable`: where it is, when it is open, who may have it), bookings and their lives, closures,
the waiting list. Invariants: two bookings that occupy never overlap on one bookable, buffers included, because the
database does not take them (an exclusion constraint, and no look beforehand); nothing is held for ever (each hold, offer
and missed start has a timer); every suggestion made on a clash can be had when it is made.
Neighbours: identity (people, places, two-person approval is not used here: the office decides), the kernel's timers.
Begin with `states.py`, then `spans.py` (times as plain data) and `service.py`.
"""
