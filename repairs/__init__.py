"""Repairs: what is broken is said once, somebody comes, and whoever was served says whether it was done well.

Owns: assets with their labels, work orders from the first word to the rating, categories, technicians, problems (`orders`,
`assets`); clocks of service (`sla`), parts (`stock`), suggestions, and `statistics` in folders of their own.
Invariants: an order follows one state table, by a compare-and-swap of its version; nothing is lost between the report and the
order; whoever raised it or was served stays a party of it, also when it is merged into another; nobody rates their own work
or their people's; a confirmation by silence is recorded as the system's and never counted as satisfaction.
Neighbours: identity (places, people, roles), realtime (a call that becomes a repair, who is on duty), payments (what a repair
costs a unit); the kernel's calendar, timers and files. Nobody below knows of repairs.

Begin with `orders/states.py` (the machine, and whose trigger each is), then `orders/service.py`.
"""
