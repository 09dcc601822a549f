"""Parts and what a repair costs: small stores, parts taken for orders, labour by its rate, and the charge to the unit served.

Owns: stores, parts with their moves, labour rates, the cost sheet of each order with its charges.
Invariants: a store never holds less than nothing (a CHECK); a part's quantity is the sum of its moves; of two who take the last
one, one gets it; what a part cost is what it cost when it was taken; an order is charged once while a charge stands, and what it
cost is not changed any more meanwhile; a charge is given back when the work is disputed, cancelled or merged.
Neighbours: repairs/orders (whose events are followed in handlers.py; orders knows nothing of stock), payments (charges units).

Begin with `service.py` (parts go in and out), `costs.py` (what an order costs, pure), `charging.py` (who pays, once).
"""
