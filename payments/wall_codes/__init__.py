"""The wall code (主扫): printed by the office, hung at a canteen or a till, scanned by the payer's own phone.

Begin at `place_codes.py` (issued, replaced, read) and `scanning.py` (what the payer sees, and what goes into the posting
queue). The digits are `place_code_format.py`, the printed sheet is `place_code_sheet.py`.
"""
