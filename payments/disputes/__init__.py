"""Disputes: on any payment its payer may say "something is wrong", and gets an answer by a clock that everybody sees.

The canteen answers within three work days; what it leaves lying goes to the region by itself. Where the canteen sees it
otherwise, the person may take it to the region, which decides. Money comes back by the ways that exist (a refund, in
reverse deduction order), in the very transaction in which somebody said yes.

`states.py` is the machine and who may pull which trigger, `deadlines.py` the clock, `money.py` what comes back and how,
`service.py` the use cases.
"""
