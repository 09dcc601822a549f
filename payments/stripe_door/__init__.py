"""The Stripe-compatible door: another program charges the one card with the official `stripe` package.

A merchant is a site with its own payable account; its secret keys act as terminals of the posting queue (`keys.py`), so a
confirmed PaymentIntent is a payment like any other: same lock, same rules, same books. What this package owns is what
Stripe's shapes need around it: intents and their states (`intents.py`, `states.py`), the way of a confirmation
(`confirming.py`), refunds, idempotent answers (`answering.py`), events, and webhooks out (`webhooks.py`, `courier.py`).

Invariants: one intent is paid at most once; one key has one answer; an event is written in the transaction that makes it
true; each receiver hears the events of one intent in order.

`door.py` speaks Stripe's wire form to programs; `routes.py` speaks the house's own to the page `/admin/developers`.
"""
