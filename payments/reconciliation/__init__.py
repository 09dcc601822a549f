"""Reconciliation L0-L6: what two sides say of the same money, compared day by day; what differs is somebody's business.

A level is one function: it reads both sides and names what differs (`Found`). `runs.py` makes durable rows of that: the same
difference is one row however often a level runs, and closes by itself when it is gone. Nothing here moves money but the payout
of a gateway (E3'), which is booked when the bank's line confirms it (`payouts.py`).

Neighbours: `banking` reads the bank's files and keeps its statements; the counter says what its shifts were handed over with
(`ShiftTotals` in api.py, filled in by the canteens through app/wiring.py). Begin with `runs.py`, then any of the levels.
"""
