"""Canteens: where meals are served, when, to whom, at what price, and what is on the menu.

This domain owns canteens (a canteen's id is its site's id), meal periods, the price matrix, limits, dishes and menus,
and the takings of each minute that the live boards draw. It tells payments what a sale costs: `pricing.py` is the
`PostingRule` that posting asks under the holder's lock.

Invariants: for one price key no two rows are in force on the same day; one canteen never serves two meals at once by
the same kind of day; the unit pays a share for the first serving of a meal only; what posting keeps in memory carries
the configuration version of its last change.

Neighbours: identity (sites, people, terminals), payments (the rule's protocol and the payment events), realtime (the
boards). Begin with `api.py`, then `pricing.py`.
"""
