"""Settlement: a month of one region's book is cut off, counted, stated, confirmed, netted, paid and locked.

It stands in payments because it reads the journal and nothing else: a canteen is a site's id, a unit an organisation's, and
names come from identity when something is shown (docs/adr/settlement-reads-the-journal.md).

* `states.py`: the seven states of a period as one table; `periods.py` cuts off and finds the period that posting books in.
* `close.py`: counting, a function of the journal up to the vector {lane: n} that the cut-off stored; `canonical.py` hashes it.
* `documents.py`: what a close hands over, as plain data: statements, their lines, bank instructions.
* `netting.py`: who pays whom, pure; `clearing.py` posts it through `clearing:<period>` and follows the bank's word.
* `suspense.py`: what is disputed waits there while the rest settles. `adjustments.py`: what may still follow after the lock.

Invariant I8: a payment is in exactly one period of each book, a statement's net is the sum of its lines, and nothing is
booked in a period once it was cut off.
"""
