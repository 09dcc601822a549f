"""A simulated Alipay: the signed gateway, notices with retries, a phone to pay with, and switches for its faults.

`wire.py` is the signed text, `trades.py` what Alipay knows of a trade, `gateway.py` its methods, `notices.py` what it
tells by itself, `bills.py` the bill of a day, `misbehaviour.py` what can go wrong, `phone.py` the payer, `page.py` what a person sees of it.
The official client of Alipay judges all of it in tests/payments/channels.
"""
