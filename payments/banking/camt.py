"""camt.053, the bank's statement by ISO 20022, versions .02 and .08: one account, one statement, in CNY."""

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml import etree

from payments.banking.errors import StatementUnreadable
from payments.banking.statement import Statement, StatementLine, check_statement
from payments.banking.xml import XmlRefused, read_document

MESSAGES: Final = ("camt.053.001.02", "camt.053.001.08")
CURRENCY: Final = "CNY"
_SPACE: Final = re.compile(r"\s+")
# No reference of the payer's.
_NOT_PROVIDED: Final = "NOTPROVIDED"


def read_camt(content: bytes) -> Statement:
    """The statement; StatementUnreadable for anything else."""
    try:
        root = read_document(content, MESSAGES)
    except XmlRefused as refused:
        raise StatementUnreadable(reason=refused.reason, said=refused.said) from refused
    found = _all(root, "BkToCstmrStmt/Stmt")
    if len(found) != 1:
        raise StatementUnreadable(reason="several", said=f"{len(found)} statements")
    return check_statement(_statement_of(found[0]))


def _statement_of(statement: etree._Element) -> Statement:
    account = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
    opening = _balance(statement, "OPBD", "PRCD")
    closing = _balance(statement, "CLBD")
    first_day = _day(statement, "FrToDt/FrDtTm") or opening[1]
    last_day = _day(statement, "FrToDt/ToDtTm") or closing[1]
    lines = [line for entry in _all(statement, "Ntry") if _is_booked(entry) for line in _lines_of(entry)]
    return Statement("camt.053", account, _text(statement, "Id"), first_day, last_day, opening[0], closing[0], lines)


def _balance(statement: etree._Element, *codes: str) -> tuple[int, date]:
    for code in codes:
        for balance in _all(statement, "Bal"):
            on = _day(balance, "Dt/Dt") or _day(balance, "Dt/DtTm")
            if _text(balance, "Tp/CdOrPrtry/Cd") == code and on is not None:
                return _signed_fen(balance), on
    raise StatementUnreadable(reason="sums", said=f"no balance {codes[0]}")


def _is_booked(entry: etree._Element) -> bool:
    return (_text(entry, "Sts/Cd") or _text(entry, "Sts")) == "BOOK"


def _lines_of(entry: etree._Element) -> list[StatementLine]:
    """An entry's payments, where it names them with their sums; else the entry as one."""
    total_fen, details = _signed_fen(entry), _all(entry, "NtryDtls/TxDtls")
    reference = _text(entry, "AcctSvcrRef") or _text(entry, "NtryRef")
    booked_on = _day(entry, "BookgDt/Dt") or _day(entry, "BookgDt/DtTm") or _day(entry, "ValDt/Dt")
    if booked_on is None:
        raise StatementUnreadable(reason="days", said=f"{reference}: no date of booking")
    sign = 1 if total_fen > 0 else -1
    parts = [_fen(amount) for each in details if (amount := _find(each, "Amt")) is not None]
    if len(details) > 1 and len(parts) == len(details) and sum(parts) == abs(total_fen):
        return [
            _line(entry, each, booked_on, sign * part, f"{reference}/{number}")
            for number, (each, part) in enumerate(zip(details, parts, strict=True), start=1)
        ]
    return [_line(entry, details[0] if len(details) == 1 else entry, booked_on, total_fen, reference)]


def _line(
    entry: etree._Element, detail: etree._Element, booked_on: date, amount_fen: int, reference: str
) -> StatementLine:
    party = "Dbtr" if amount_fen > 0 else "Cdtr"
    name = _text(detail, f"RltdPties/{party}/Nm") or _text(detail, f"RltdPties/{party}/Pty/Nm")
    end_to_end_id = _text(detail, "Refs/EndToEndId")
    remittance = " ".join(each.text or "" for each in _all(detail, "RmtInf/Ustrd")) or _text(entry, "AddtlNtryInf")
    return StatementLine(
        booked_on,
        amount_fen,
        name,
        "" if end_to_end_id == _NOT_PROVIDED else end_to_end_id,
        _SPACE.sub(" ", remittance).strip()[:500],
        reference or _text(detail, "Refs/AcctSvcrRef"),
    )


def _signed_fen(owner: etree._Element) -> int:
    amount = _find(owner, "Amt")
    assert amount is not None, "the schema asks for it"
    fen = _fen(amount)
    return -fen if _text(owner, "CdtDbtInd") == "DBIT" else fen


def _fen(amount: etree._Element) -> int:
    if amount.get("Ccy") != CURRENCY:
        raise StatementUnreadable(reason="currency", said=str(amount.get("Ccy")))
    return fen_of_decimal(amount.text or "")


def fen_of_decimal(text: str) -> int:
    """`1800.50` -> `180050`; what has parts of a fen is no amount of money."""
    try:
        fen = Decimal(text).scaleb(2)
    except InvalidOperation as error:
        raise StatementUnreadable(reason="amount", said=text[:40]) from error
    if not fen.is_finite() or fen != fen.to_integral_value():
        raise StatementUnreadable(reason="amount", said=text[:40])
    return int(fen)


def _day(owner: etree._Element, path: str) -> date | None:
    text = _text(owner, path)
    if not text:
        return None
    return datetime.fromisoformat(text).date() if "T" in text else date.fromisoformat(text[:10])


def _find(owner: etree._Element, path: str) -> etree._Element | None:
    return next(iter(_all(owner, path)), None)


def _all(owner: etree._Element, path: str) -> list[etree._Element]:
    """By names alone: the version stands in the namespace."""
    return owner.findall("/".join(f"{{*}}{name}" for name in path.split("/")))


def _text(owner: etree._Element, path: str) -> str:
    found = _find(owner, path)
    return (found.text or "").strip() if found is not None else ""
