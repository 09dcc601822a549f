"""Statements as a bank would send them, made from a few plain lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape

ACCOUNT = "6222000011112222"


@dataclass(frozen=True)
class Entry:
    """A movement: + in, - out."""

    booked_on: date
    amount_fen: int
    reference: str
    remittance: str = ""
    counterparty: str = ""
    end_to_end_id: str = ""


def camt(
    reference: str,
    first: date,
    last: date,
    opening_fen: int,
    entries: Sequence[Entry],
    *,
    account: str = ACCOUNT,
    closing_fen: int | None = None,
    version: str = "08",
    currency: str = "CNY",
) -> bytes:
    """A camt.053.001.`version` of one account."""
    closing = opening_fen + sum(entry.amount_fen for entry in entries) if closing_fen is None else closing_fen
    balances = "".join(_balance(*each, currency) for each in (("OPBD", opening_fen, first), ("CLBD", closing, last)))
    booked = "".join(_entry(entry, version, currency) for entry in entries)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>
<GrpHdr><MsgId>M-{reference}</MsgId><CreDtTm>{last}T20:00:00+08:00</CreDtTm></GrpHdr>
<Stmt><Id>{reference}</Id><CreDtTm>{last}T20:00:00+08:00</CreDtTm>
<FrToDt><FrDtTm>{first}T00:00:00+08:00</FrDtTm><ToDtTm>{last}T23:59:59+08:00</ToDtTm></FrToDt>
<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>{currency}</Ccy></Acct>
{balances}{booked}</Stmt></BkToCstmrStmt></Document>""".encode()


def _balance(code: str, fen: int, on: date, currency: str) -> str:
    return f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(fen, currency)}<Dt><Dt>{on}</Dt></Dt></Bal>"


def _amount(fen: int, currency: str) -> str:
    side = "DBIT" if fen < 0 else "CRDT"
    return f'<Amt Ccy="{currency}">{abs(fen) // 100}.{abs(fen) % 100:02d}</Amt><CdtDbtInd>{side}</CdtDbtInd>'


def _entry(entry: Entry, version: str, currency: str) -> str:
    party = "Dbtr" if entry.amount_fen > 0 else "Cdtr"
    name = f"<Nm>{escape(entry.counterparty)}</Nm>"
    named = f"<{party}><Pty>{name}</Pty></{party}>" if version == "08" else f"<{party}>{name}</{party}>"
    parties = f"<RltdPties>{named}</RltdPties>" if entry.counterparty else ""
    references = f"<Refs><EndToEndId>{entry.end_to_end_id or 'NOTPROVIDED'}</EndToEndId></Refs>"
    status = "<Sts><Cd>BOOK</Cd></Sts>" if version == "08" else "<Sts>BOOK</Sts>"
    return (
        f"<Ntry>{_amount(entry.amount_fen, currency)}{status}<BookgDt><Dt>{entry.booked_on}</Dt></BookgDt>"
        f"<AcctSvcrRef>{entry.reference}</AcctSvcrRef>"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>OTHR</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"<NtryDtls><TxDtls>{references}{'' if version == '02' else _part(entry, currency)}{parties}"
        f"<RmtInf><Ustrd>{escape(entry.remittance) or '-'}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def _part(entry: Entry, currency: str) -> str:
    return _amount(entry.amount_fen, currency)
