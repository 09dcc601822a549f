"""Reaching somebody who has no page open: robots of DingTalk and WeCom groups, mail, SMS and voice gateways, Web Push.

Owns: the channels that an administrator sets up, the devices that people let us notify, and one row for each message on
each way (`Delivery`). Invariants: a message is written down in the transaction of whoever wants it said, and sent
afterwards by the worker, never inside a transaction; one message goes each way once (`ref` and way are a key); what is urgent
goes first, also where a robot takes only twenty a minute; addresses and secrets are sealed, and shown to nobody again.

`api.reach` is the way in. `paths.py` says which ways lead to a target, `courier.py` sends, `robots.py`, `gateways.py` and
`push.py` each speak one protocol. What has lately arrived on a way proves it (`PathProof`); realtime/duty rings each way
at the start of every shift and says when nobody would be reached.
"""
