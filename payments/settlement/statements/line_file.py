"""The line file of a statement: one line for each journal line, in one canonical form, checked without a database. Pure.

    guanjia-statement 1
    {header, RFC 8785 JSON} <check>
    number,lane,n,transfer,ordinal,kind,business_date,happened_at,debit,credit,amount_fen,reference,site,<check>
    ...
    end,<count>,<total_fen>,<hash>

Every line closes with the first 16 digits of a running SHA-256 over all lines so far, so that the first line that is not
as it was written can be named; the last line carries that hash whole. What the header says (totals, count) is what the
lines add up to. Who made it is said by the signature beside it (`signatures.py`).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any, Final
from uuid import UUID

import rfc8785

from kernel.money import split_by_largest_remainder
from payments.settlement.statements.statement import PERIOD, PERSONAL_ACCOUNTS, Statement, StatementLine

MAGIC: Final = b"guanjia-statement 1\n"
CHECK_LENGTH: Final = 16
# The header of a whole book names every account of it.
LINE_LENGTH_MAX: Final = 16_000_000
_HEX: Final = "[0-9a-f]{32}"
_NUMBER: Final = "(?:0|[1-9][0-9]{0,18})"
_ACCOUNT: Final = f"[a-z_]{{1,40}}(?::{_HEX})?"
_LINE: Final = re.compile(
    rf"({_NUMBER}),({_NUMBER}),({_NUMBER}),({_HEX}),({_NUMBER}),([a-z_]{{1,40}}),(\d{{4}}-\d\d-\d\d),"
    rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z),({_ACCOUNT}),({_ACCOUNT}),({_NUMBER}),((?:{_HEX})?),((?:{_HEX})?)",
    re.ASCII,
)
_END: Final = re.compile(rf"end,({_NUMBER}),({_NUMBER})", re.ASCII)


class StatementBroken(Exception):
    """The file is not what was written: the first line that is wrong, and why, in both languages."""

    def __init__(self, line_number: int, zh: str, en: str) -> None:
        super().__init__(f"line {line_number}: {en}")
        self.line_number, self.zh, self.en = line_number, zh, en


class _Chain:
    """The running hash."""

    def __init__(self) -> None:
        self._state = hashlib.sha256(MAGIC).digest()

    def add(self, content: str) -> str:
        """Take in one line, without its check; returns the whole hash so far."""
        self._state = hashlib.sha256(self._state + content.encode()).digest()
        return self._state.hex()


class Totals:
    """Debits and credits of each account that the lines name, their number and their sum."""

    def __init__(self) -> None:
        self.count = 0
        self.total_fen = 0
        self.accounts: dict[str, list[int]] = {}

    def add(self, line: StatementLine) -> None:
        """One more line: a debit of one account and a credit of another."""
        self.count += 1
        self.total_fen += line.amount_fen
        self.accounts.setdefault(line.debit, [0, 0])[0] += line.amount_fen
        self.accounts.setdefault(line.credit, [0, 0])[1] += line.amount_fen


# ---- writing


class LineFileWriter:
    """Writes a statement to a binary file, line by line; `close` refuses lines that are not those of the header."""

    def __init__(self, target: IO[bytes], statement: Statement) -> None:
        self._target, self._statement = target, statement
        self._chain, self._totals, self._digest = _Chain(), Totals(), hashlib.sha256()
        self._put(MAGIC)
        header = rfc8785.dumps(statement.header()).decode()
        self._put(f"{header} {self._chain.add(header)[:CHECK_LENGTH]}\n".encode())

    def _put(self, content: bytes) -> None:
        self._digest.update(content)
        self._target.write(content)

    def write(self, line: StatementLine) -> None:
        """One more line."""
        self._totals.add(line)
        content = line.canonical()
        self._put(f"{content},{self._chain.add(content)[:CHECK_LENGTH]}\n".encode())

    def write_all(self, lines: Sequence[StatementLine]) -> None:
        """Several."""
        for line in lines:
            self.write(line)

    def close(self) -> str:
        """The last line; returns the SHA-256 of the file."""
        said, found = self._statement.totals, self._totals
        assert (found.count, found.total_fen) == (self._statement.count, self._statement.total_fen), "lines are missing"
        assert {name: tuple(sums) for name, sums in found.accounts.items()} == said, "the totals are not of these lines"
        content = f"end,{found.count},{found.total_fen}"
        self._put(f"{content},{self._chain.add(content)}\n".encode())
        return self._digest.hexdigest()


# ---- reading


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A line file whose lines are whole and add up: what its header says, and the hash of its bytes."""

    header: Mapping[str, Any]
    sha256: str


class LineFileReader:
    """Reads a line file and checks it on the way; once `lines` is at its end, `verified` is there."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._line_number = source, 0
        self._chain, self._totals, self._digest = _Chain(), Totals(), hashlib.sha256()
        self.header: Mapping[str, Any] = self._read_header()

    def _next(self) -> str:
        """The next line without its end; what is not ASCII or ends without a line feed is refused."""
        self._line_number += 1
        raw = self._source.readline(LINE_LENGTH_MAX)
        self._digest.update(raw)
        if not raw:
            raise self._broken("文件在此中断", "the file ends here, too early")
        if not raw.endswith(b"\n"):
            raise self._broken("这一行没有结束", "this line has no end")
        try:
            return raw[:-1].decode()
        except UnicodeDecodeError:
            raise self._broken("不是 UTF-8 文字", "this is not UTF-8 text") from None

    def _broken(self, zh: str, en: str) -> StatementBroken:
        return StatementBroken(self._line_number, zh, en)

    def _read_header(self) -> Mapping[str, Any]:
        if self._next() + "\n" != MAGIC.decode():
            raise self._broken("不是对账单明细文件", "this is not the line file of a statement")
        content, _, check = self._next().rpartition(" ")
        if self._chain.add(content)[:CHECK_LENGTH] != check:
            raise self._broken("表头被改动", "the header is not as it was written")
        try:
            header: dict[str, Any] = json.loads(content)
            _check_shape(header, content)
        except (ValueError, TypeError, KeyError, RecursionError, rfc8785.CanonicalizationError):
            raise self._broken("表头格式不对", "the header has another form than it should") from None
        return header

    def lines(self) -> Iterator[StatementLine]:
        """Every line, checked; StatementBroken at the first that is wrong."""
        own, last = set(self.header["accounts"]), ("", "", -1)
        while True:
            content, _, check = self._next().rpartition(",")
            whole = self._chain.add(content)
            if content.startswith("end,"):
                self._check_end(content, check, whole)
                return
            if whole[:CHECK_LENGTH] != check:
                raise self._broken("这一行被改动", "this line is not as it was written")
            line = self._parse(content)
            place = (line.business_date.isoformat(), line.transfer_id.hex, line.ordinal)
            if line.number != self._totals.count + 1 or place <= last:
                raise self._broken("行序不对或重复", "this line is out of order, or there twice")
            if line.debit not in own and line.credit not in own:
                raise self._broken("这一行与本对账单的科目无关", "this line touches none of the statement's accounts")
            last = place
            self._totals.add(line)
            yield line

    def _parse(self, content: str) -> StatementLine:
        found = _LINE.fullmatch(content)
        if found is None:
            raise self._broken("这一行格式不对", "this line has another form than it should")
        number, lane, n, transfer, ordinal, kind, day, at, debit, credit, amount, reference, site = found.groups()
        try:
            line = StatementLine(
                *(int(number), int(lane), int(n), UUID(transfer), int(ordinal), kind, date.fromisoformat(day)),
                *(datetime.fromisoformat(at), debit, credit, int(amount)),
                *(UUID(reference) if reference else None, UUID(site) if site else None),
            )
        except ValueError:
            raise self._broken("日期或时间不存在", "there is no such day or time") from None
        # Two accounts of persons have one name here: what is carried over goes from one lot to the next.
        is_no_move = debit == credit and debit not in PERSONAL_ACCOUNTS
        if line.amount_fen <= 0 or is_no_move or line.n > self.header["vector"].get(str(line.lane), 0):
            raise self._broken("金额、科目或日记账位置不成立", "amount, accounts or place in the journal cannot be")
        return line

    def _check_end(self, content: str, check: str, whole: str) -> None:
        end = _END.fullmatch(content)
        if check != whole or end is None:
            raise self._broken("结束行被改动", "the last line is not as it was written")
        if self._source.read(1):
            self._line_number += 1
            raise self._broken("结束行之后还有内容", "there is more after the last line")
        if (int(end[1]), int(end[2])) != (self._totals.count, self._totals.total_fen):
            raise self._broken("笔数或合计与明细不符", "count or total is not that of the lines")
        self._compare_with_header()

    def _compare_with_header(self) -> None:
        said = {total["account"]: [total["debit_fen"], total["credit_fen"]] for total in self.header["totals"]}
        found = self._totals
        for account in sorted(said.keys() | found.accounts.keys()):
            if said.get(account) != found.accounts.get(account):
                sums = found.accounts.get(account, [0, 0])
                raise StatementBroken(
                    2,
                    f"表头中 {account} 的合计与明细不符：明细为借 {sums[0]} 贷 {sums[1]} 分",
                    f"the header's totals of {account} are not those of the lines: debit {sums[0]}, credit {sums[1]} fen",
                )
        if (self.header["count"], self.header["total_fen"]) != (found.count, found.total_fen):
            raise StatementBroken(
                2, "表头的笔数或合计与明细不符", "the header's count or total is not that of the lines"
            )
        self._check_shares()

    def _check_shares(self) -> None:
        """An operator's part is split again from what the lines of each canteen add up to."""
        for share in self.header.get("shares", ()):
            debit_fen, credit_fen = self._totals.accounts.get(share["account"], [0, 0])
            parts = split_by_largest_remainder(credit_fen - debit_fen, share["weights"])
            said = (share["base_fen"], share["amount_fen"])
            if said != (credit_fen - debit_fen, sum(parts[place] for place in share["places"])):
                raise StatementBroken(
                    2,
                    f"表头中 {share['account']} 的分成与明细不符",
                    f"the header's part of {share['account']} is not what its lines and weights come to",
                )

    @property
    def verified(self) -> VerifiedFile:
        """What was read, after its last line."""
        return VerifiedFile(self.header, self._digest.hexdigest())


def _check_shape(header: Any, content: str) -> None:
    """What the reader counts on; a signed header always has it."""
    if not isinstance(header, dict) or rfc8785.dumps(header).decode() != content:
        raise ValueError(content)
    accounts, vector, totals = header["accounts"], header["vector"], header["totals"]
    numbers = [header["count"], header["total_fen"], *vector.values()]
    numbers += [total[side] for total in totals for side in ("debit_fen", "credit_fen")]
    texts = [*accounts, *(total["account"] for total in totals), *header["chain"].values()]
    texts += [header["kind"], header["period"], header["zone"]]
    texts += [header[party][name] for party in ("region", "subject") for name in ("id", "code", "name_zh", "name_en")]
    if not all(type(number) is int and number >= 0 for number in numbers) or type(header["final"]) is not bool:
        raise ValueError(header)
    if not all(isinstance(text, str) for text in texts) or not all(
        type(f) is int for f in header["opening_fen"].values()
    ):
        raise TypeError(header)
    if PERIOD.fullmatch(header["period"]) is None:
        raise ValueError(header)
    for share in header.get("shares", ()):
        _check_share(share)


def _check_share(share: Any) -> None:
    weights, places = share["weights"], share["places"]
    if not all(type(number) is int for number in (share["base_fen"], share["amount_fen"], *weights, *places)):
        raise TypeError(share)
    named = [share["account"], *(share["canteen"][name] for name in ("id", "code", "name_zh", "name_en"))]
    if not all(isinstance(text, str) for text in named) or min(weights) < 0 or not sum(weights):
        raise ValueError(share)
    if len(set(places)) != len(places) or not all(0 <= place < len(weights) for place in places):
        raise ValueError(share)


def verify(source: IO[bytes]) -> VerifiedFile:
    """Read all of it; StatementBroken names the first line that is wrong."""
    reader = LineFileReader(source)
    for _ in reader.lines():
        pass
    return reader.verified
