"""Withdrawals: who leaves takes their own money along, to their Alipay account. Subsidy never: it goes back to its unit.

What is to be sent is held from the request to the outcome (payments/holds.py), written down as an order of the channel
before the gateway is asked (payments/gateways/channel_orders.py), and sent by the worker. A transfer of one name is made
once by the gateway, however often it is asked; what nobody knows of is UNKNOWN and asked about until it is known.

`service.py` begins and ends one, `sending.py` speaks with the channel, `outcome.py` is what its end means in money.
"""
