"""Work orders: raised by anybody, done by technicians, confirmed and rated by the person served.

Owns: orders with their parties, steps, offers, notes, checklists, labour and ratings; categories, technicians, problems;
guests, who follow their order by a ticket. Invariants: each trigger is one step of the table in `states.py` under the order's
row lock and raises its version by one; notes, ticks and labour never do, so that two phones on one job keep both; a change
that is sent twice under one client's name happens once; a merged order keeps its words and photos, and its people become
parties of the other; a low score waits for the lead's answer.
Neighbours: repairs/assets (what it is about), repairs/sla (its clocks), realtime/calls (what it may have begun as).

Begin with `states.py`, then `raising.py` (from the report to the order), `together.py` (reports of one moment, in one transaction),
`service.py` (triggers), `dispatching.py` (who goes), `sync.py` (a phone that was without network).
"""
