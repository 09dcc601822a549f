"""Charges: what one unit owes for a service that it had: a repair, a hall, a meeting.

Owns: one row for each service, by the id of the act it was for, and its lines in the books (docs/books.md, E11). It works
like a sale, without a person: from the unit's account to `payable:<site>` of whoever served it, so that the close, the
statements, netting and the bank's instructions need to know nothing new. Invariant I14: a charge and what was given back of
it stand in the ledger to the fen, once. What was done is owed: a prefund that is too low becomes a bill, never a refusal.
"""
