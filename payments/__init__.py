"""Money: one card across regions. Purses, pay codes, posting, the double-entry ledger, voids and refunds.

Invariants (I1-I14, `invariants.py`): every ledger line moves one amount between two accounts of one region's book;
a balance is the fold of its entries; a payment exists once per (terminal, epoch, seq) and per idempotency key; an
acknowledged payment is durable. Every change to a holder's purses, lots, counters, codes and holds is made under the
row lock of that holder, which is taken first and in (bucket, id) order.

Neighbours: below, `identity` (who someone is, which terminal this is) and `kernel`. Above, `canteen` prices what is
sold through the `PostingRule` of `posting_rule.py`; payments never imports it.

Begin with `posting.py` (the way of a lunch payment), `decide.py` (its pure core) and `ledger.py` (the books).
"""
