"""Payments for a bank to make: pain.001.001.09 as XML and a batch workbook, from plain data. Pure.

The XML is held against the standard's schema before anybody sees it. `reference` comes back in the bank's statement as the
EndToEndId, which is how L4 finds the payment again.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from lxml import etree
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from payments.banking.xml import NAMESPACE, validate

MESSAGE: Final = "pain.001.001.09"
REFERENCE_MAX: Final = 35
_TEXT_MAX: Final = 140
_REFERENCE: Final = re.compile(r"[A-Za-z0-9+?/:().,' -]{1,35}", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Za-z0-9]{11,30}", re.ASCII)
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f]")
_TITLES: Final = (
    "序号",
    "指令号",
    "付款账号",
    "付款户名",
    "收款账号",
    "收款户名",
    "收款行号",
    "金额（元）",
    "币种",
    "执行日期",
    "附言",
)
# What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class BankParty:
    """An account and whose it is. `bank_code` is the clearing number (行号) of its bank."""

    name: str
    account: str
    bank_code: str = ""


@dataclass(frozen=True, slots=True)
class BankInstruction:
    """One payment to make."""

    reference: str
    debtor: BankParty
    creditor: BankParty
    amount_fen: int
    execute_on: date
    remittance: str


def write_pain(batch: str, made_at: datetime, instructions: Sequence[BankInstruction]) -> bytes:
    """The file, valid by its schema; ValueError for what no bank could take."""
    _check(batch, instructions)
    root = etree.Element(_name("Document"), nsmap={None: NAMESPACE + MESSAGE})
    initiation = _add(root, "CstmrCdtTrfInitn")
    _add_header(_add(initiation, "GrpHdr"), batch, made_at, instructions)
    for number, group in enumerate(_groups(instructions), start=1):
        _add_group(_add(initiation, "PmtInf"), f"{batch[:30]}-{number}", group)
    # As it will be read, not as it was put together.
    content = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    validate(etree.fromstring(content), MESSAGE)
    return content


def _check(batch: str, instructions: Sequence[BankInstruction]) -> None:
    if not instructions or not _REFERENCE.fullmatch(batch):
        raise ValueError("a batch needs a name and a payment")
    references = [each.reference for each in instructions]
    if len(set(references)) != len(references) or not all(_REFERENCE.fullmatch(each) for each in references):
        raise ValueError("a reference is given once, in up to 35 plain characters")
    if any(each.amount_fen <= 0 for each in instructions):
        raise ValueError("only what is above 0 can be paid")


def _groups(instructions: Sequence[BankInstruction]) -> list[list[BankInstruction]]:
    """One for each account and day, in the order of their first payment."""
    groups: dict[tuple[BankParty, date], list[BankInstruction]] = {}
    for each in instructions:
        groups.setdefault((each.debtor, each.execute_on), []).append(each)
    return list(groups.values())


def _add_header(header: etree._Element, batch: str, made_at: datetime, instructions: Sequence[BankInstruction]) -> None:
    _add(header, "MsgId", batch)
    _add(header, "CreDtTm", made_at.isoformat(timespec="seconds"))
    _add(header, "NbOfTxs", str(len(instructions)))
    _add(header, "CtrlSum", yuan_text(sum(each.amount_fen for each in instructions)))
    _add(_add(header, "InitgPty"), "Nm", _plain(instructions[0].debtor.name))


def _add_group(group: etree._Element, name: str, instructions: Sequence[BankInstruction]) -> None:
    first = instructions[0]
    _add(group, "PmtInfId", name)
    _add(group, "PmtMtd", "TRF")
    _add(group, "NbOfTxs", str(len(instructions)))
    _add(group, "CtrlSum", yuan_text(sum(each.amount_fen for each in instructions)))
    _add(_add(group, "ReqdExctnDt"), "Dt", first.execute_on.isoformat())
    _add(_add(group, "Dbtr"), "Nm", _plain(first.debtor.name))
    _add_account(_add(group, "DbtrAcct"), first.debtor)
    _add_bank(_add(group, "DbtrAgt"), first.debtor)
    for each in instructions:
        _add_payment(_add(group, "CdtTrfTxInf"), each)


def _add_payment(payment: etree._Element, instruction: BankInstruction) -> None:
    names = _add(payment, "PmtId")
    _add(names, "InstrId", instruction.reference)
    _add(names, "EndToEndId", instruction.reference)
    _add(_add(payment, "Amt"), "InstdAmt", yuan_text(instruction.amount_fen)).set("Ccy", "CNY")
    if instruction.creditor.bank_code:
        _add_bank(_add(payment, "CdtrAgt"), instruction.creditor)
    _add(_add(payment, "Cdtr"), "Nm", _plain(instruction.creditor.name))
    _add_account(_add(payment, "CdtrAcct"), instruction.creditor)
    if _plain(instruction.remittance):
        _add(_add(payment, "RmtInf"), "Ustrd", _plain(instruction.remittance))


def _add_account(account: etree._Element, party: BankParty) -> None:
    identifier = _add(account, "Id")
    if _IBAN.fullmatch(party.account):
        _add(identifier, "IBAN", party.account)
    else:
        _add(_add(identifier, "Othr"), "Id", party.account)


def _add_bank(agent: etree._Element, party: BankParty) -> None:
    institution = _add(agent, "FinInstnId")
    if party.bank_code:
        member = _add(institution, "ClrSysMmbId")
        _add(_add(member, "ClrSysId"), "Cd", "CNAPS")
        _add(member, "MmbId", party.bank_code)
    else:
        _add(_add(institution, "Othr"), "Id", "NOTPROVIDED")


def write_batch_workbook(instructions: Sequence[BankInstruction]) -> bytes:
    """The same payments as a table, for a bank's own web page; the last row is the sum."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "批量付款"
    sheet.append(_TITLES)
    for number, each in enumerate(instructions, start=1):
        sheet.append([_cell(value) for value in _row(number, each)])
    total = yuan_text(sum(each.amount_fen for each in instructions))
    sheet.append(["合计", f"{len(instructions)} 笔", "", "", "", "", "", total, "CNY", "", ""])
    for row in (1, sheet.max_row):
        for cell in sheet[row]:
            cell.font = Font(bold=True)
    sheet.freeze_panes = "A2"
    for letter in "BCDEFGHIJK":
        sheet.column_dimensions[letter].width = 24
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _row(number: int, each: BankInstruction) -> tuple[str, ...]:
    return (
        str(number),
        each.reference,
        each.debtor.account,
        each.debtor.name,
        each.creditor.account,
        each.creditor.name,
        each.creditor.bank_code,
        yuan_text(each.amount_fen),
        "CNY",
        each.execute_on.isoformat(),
        each.remittance,
    )


def _cell(value: str) -> str:
    """Text, never a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def yuan_text(fen: int) -> str:
    """`180050` -> `1800.50`."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _plain(text: str) -> str:
    return _UNSEEN.sub(" ", text).strip()[:_TEXT_MAX]


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}{MESSAGE}}}{tag}"


def _add(owner: etree._Element, tag: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(owner, _name(tag))
    if text is not None:
        element.text = text
    return element
