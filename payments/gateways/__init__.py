"""Money that comes through somebody else's gateway: top-ups, and guests who pay with their own app.

Begin at `channel_orders.py`: an order is written down before the gateway is asked, and one ranked table decides what each
of its words means. `hearing.py` is the one way in for such words; `looks.py` asks again when none come; `settling.py` is
what the end of an order means in money. The gateways themselves are `payments/channels/`.
"""
