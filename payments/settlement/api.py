"""The front door of settlement: what the rest of payments, and the assembly, may call.

Posting: `ENTER_GATE`, `CLOSED_PERIODS`, `closed_periods`, `period_for_posting`. Disputes of persons: `put_in_suspense`,
`take_from_suspense`, and after the lock `ask_for_refund`, `ask_for_subsidy`, `register_booker`. Bank files and
statements: `instructions_of`, `instruction_documents`, `get_settlement`, `book_paid` for what a bank's statement says.
"""

from payments.settlement.adjustments import (
    ask_for_adjustment,
    ask_for_refund,
    ask_for_subsidy,
    register_booker,
)
from payments.settlement.clearing import book_paid, clearing_account
from payments.settlement.documents import BankInstruction, Party, StatementLine
from payments.settlement.models import AdjustmentVoucher
from payments.settlement.periods import (
    CLOSED_PERIODS,
    ENTER_GATE,
    NONE_CLOSED,
    ClosedPeriods,
    closed_periods,
    is_late,
    needs_a_look,
    period_for_posting,
    period_of,
)
from payments.settlement.queries import (
    get_settlement,
    instruction_documents,
    instructions_of,
    lines_of,
    list_settlements,
    refunds_of_vouchers,
    statement_of_party,
    statements_of,
)
from payments.settlement.service import cut_off, open_settlements, reconcile
from payments.settlement.suspense import put_in_suspense, take_from_suspense

__all__ = [
    "CLOSED_PERIODS",
    "ENTER_GATE",
    "NONE_CLOSED",
    "AdjustmentVoucher",
    "BankInstruction",
    "ClosedPeriods",
    "Party",
    "StatementLine",
    "ask_for_adjustment",
    "ask_for_refund",
    "ask_for_subsidy",
    "book_paid",
    "clearing_account",
    "closed_periods",
    "cut_off",
    "get_settlement",
    "instruction_documents",
    "instructions_of",
    "is_late",
    "lines_of",
    "list_settlements",
    "needs_a_look",
    "open_settlements",
    "period_for_posting",
    "period_of",
    "put_in_suspense",
    "reconcile",
    "refunds_of_vouchers",
    "register_booker",
    "statement_of_party",
    "statements_of",
    "take_from_suspense",
]
