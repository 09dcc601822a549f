"""Refunds through a gateway: money that came by it goes back by it, to whoever had paid.

What goes back is taken from where it was booked as the refund is written down (a purse, a canteen's account, what nobody
could be credited with) and stands in `psp_refunds` until the gateway has said that it is done; where it refuses, it goes
back to where it was taken from and a person looks into it. A refund is an order of the channel like any other
(payments/gateways/channel_orders.py): written before the gateway is asked, moved by its words, looked after until it is
known. The gateway makes a refund of one number once, however often it is asked.

`service.py` writes one down, `sending.py` speaks with the channel, `outcome.py` is what its end means in money.
"""
