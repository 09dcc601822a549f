"""The front door of payments: what its neighbours and the assembly may call.

Who sells something implements `PostingRule`. Accounts: `open_holders`. Money in: `prefund_unit`, `grant_subsidies`,
`top_up_at_counter`. Codes: `issue_pay_code(s)`. A sale: `queue_item` + `Posting.submit`, the very path of the route.
A unit pays for a service: `charge_unit`, `refund_charge`.
Who runs a counter implements `CounterRule`, and counts a till's time with `Span`, `sales_of_till` and `ledger_sums`.
"""

from payments.batch import Item
from payments.charges.service import charge_unit, refund_charge
from payments.counter_rule import CounterRule, ReturnKind, SignOff, TillReturn, UnguardedCounter
from payments.credentials.pay_codes import IssuedCode, issue_pay_code, issue_pay_codes
from payments.credentials.pins import set_pin as set_payment_pin
from payments.credentials.trust import ensure_signing_key, root_public_key
from payments.credentials.vouchers import MealSpan, register_meal_calendar
from payments.explain import Chapter, Language, Speaker, events_of_payment, local_time, tell_payment
from payments.funding import pay_bill, prefund_unit, top_up_at_counter, top_up_many_at_counter
from payments.holders import NewHolder, change_state, open_holders, reissue_card
from payments.hot_route import PAYMENT_BODY_MAX, PaymentsEndpoint, Reply
from payments.posting_queue import Posting
from payments.posting_rule import (
    NO_USAGE,
    DenyCode,
    Payer,
    PostingRule,
    Quote,
    Refusal,
    Sale,
    SaleItem,
    Usage,
)
from payments.queries import find_holder_key, holder_keys, next_seq
from payments.reconciliation.shift_level import ShiftTotal, register_shift_totals
from payments.reversals import refund_payment, void_payment
from payments.schemas import ItemRequest, PaymentRequest
from payments.service import queue_item
from payments.subsidies.grants import Allotment, grant_subsidies
from payments.subsidies.mine import register_lunch_share
from payments.tables import create_partitions_around
from payments.terminals import TerminalCache
from payments.till_sales import (
    Returned,
    Span,
    TillSale,
    find_sale,
    journal_position,
    ledger_sums,
    refusals_of_till,
    returned_by_id,
    sales_of_till,
)
from payments.wall_codes.place_codes import issue_place_code

__all__ = [
    "NO_USAGE",
    "PAYMENT_BODY_MAX",
    "Allotment",
    "Chapter",
    "CounterRule",
    "DenyCode",
    "IssuedCode",
    "Item",
    "ItemRequest",
    "Language",
    "MealSpan",
    "NewHolder",
    "Payer",
    "PaymentRequest",
    "PaymentsEndpoint",
    "Posting",
    "PostingRule",
    "Quote",
    "Refusal",
    "Reply",
    "ReturnKind",
    "Returned",
    "Sale",
    "SaleItem",
    "ShiftTotal",
    "SignOff",
    "Span",
    "Speaker",
    "TerminalCache",
    "TillReturn",
    "TillSale",
    "UnguardedCounter",
    "Usage",
    "change_state",
    "charge_unit",
    "create_partitions_around",
    "ensure_signing_key",
    "events_of_payment",
    "find_holder_key",
    "find_sale",
    "grant_subsidies",
    "holder_keys",
    "issue_pay_code",
    "issue_pay_codes",
    "issue_place_code",
    "journal_position",
    "ledger_sums",
    "local_time",
    "next_seq",
    "open_holders",
    "pay_bill",
    "prefund_unit",
    "queue_item",
    "refund_charge",
    "refund_payment",
    "refusals_of_till",
    "register_lunch_share",
    "register_meal_calendar",
    "register_shift_totals",
    "reissue_card",
    "returned_by_id",
    "root_public_key",
    "sales_of_till",
    "set_payment_pin",
    "tell_payment",
    "top_up_at_counter",
    "top_up_many_at_counter",
    "void_payment",
]
