"""Money that comes through somebody else's gateway. The only place where a payment SDK may be imported.

`channel.py` says what the house expects of a gateway, in its own words; `alipay.py` speaks to one, `alipay_words.py`
reads what it says. Nothing here knows the database: what an order becomes is decided in `payments/gateways/hearing.py`.
"""
