"""What a payment is made with: pay codes and their signatures, vouchers, cards, staff numbers with a PIN.

Begin at `pay_codes.py` (the code on the phone) and `lookup.py` (everything else that a till reads). What a code looks
like in digits is `pay_code_format.py`; whose signature it carries is `trust.py`. Nothing here moves money.
"""
