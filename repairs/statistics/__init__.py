"""Figures of repairs: how many, how fast, how well, by whom and at what cost; on a screen and as a workbook.

Owns no table. The orders that were raised within some days are counted in the database, a group at a time; what one order's
clock, money or rating says is read as the other folders of repairs wrote it down and never worked out a second time.
Invariants: whoever leads the office of a region sees its figures and no other region's; satisfaction never stands without its
response rate; a confirmation by silence is neither an answer nor satisfaction, it is a number of its own; the workbook is made
of the very answer that the screen gets.
Neighbours: repairs/orders, repairs/sla and repairs/stock, whose tables it reads; identity for names and places.

Begin with `schemas.py` (what each figure means), then `queries.py` (how it is counted), `figures.py` (shares, means, empty weeks).
"""
