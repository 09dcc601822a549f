"""Accounting vouchers: a month of our books in the accounts of whoever keeps their own.

A unit, a canteen or a region maps our accounts (`cash`, `payable:<canteen>`, `bank` ...) to its own chart of accounts. The
mapping is data with a history; vouchers are made from the same lines as the statement and add up to it. An account that
the mapping does not know refuses the whole, by its name. Begin with `making.py`, which is pure.
"""
