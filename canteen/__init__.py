"""Canteens: where meals are served, when, to whom, at what price, and what is on the menu.

This domain owns canteens (a canteen's id is its site's id), meal periods, the price matrix, limits, dishes and menus,
the takings of each minute that the live boards draw, and the counter: cashiers' PINs, shifts, hand-over sheets, slips. It tells payments what a sale costs: `pricing.py` is the
`PostingRule` that posting asks under the holder's lock.

Invariants: for one price key no two rows are in force on the same day; one canteen never serves two meals at once by
the same kind of day; the unit pays a share for the first serving of a meal only; what posting keeps in memory carries
the configuration version of its last change; a till has one open shift at the most, a payment is in one shift at the
most, and a shift's sheet says what the ledger's lines say.

Neighbours: identity (sites, people, terminals), payments (the rule's protocol and the payment events), realtime (the
boards). Begin with `api.py`, then `pricing.py`.
"""
