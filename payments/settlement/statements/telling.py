"""A statement as rows for people: local times, names, signed amounts. The same rows for every form. Pure."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from identity.api import PlaceName
from kernel.money import format_yuan
from payments.settlement.statements.statement import Share, Statement, StatementKind, StatementLine
from payments.settlement.statements.words import COLUMN_OF_ACCOUNT, COLUMNS, FACTS, TITLES, Language, line_kind, say
from payments.settlement.statements.words import account_kind as account_word

Names = Mapping[UUID, PlaceName]


class Row(NamedTuple):
    """One line, as it is read."""

    number: int
    business_date: str
    time: str
    kind: str
    place: str
    # One for each kind of the statement's own accounts, as their owner sees it.
    gains_fen: tuple[int, ...]
    transfer: str
    takes_back: str


class Sum(NamedTuple):
    """The statement's own accounts of one kind over the period; only an operator's has several of one."""

    account: str
    opening_fen: int | None
    change_fen: int

    @property
    def closing_fen(self) -> int | None:
        return None if self.opening_fen is None else self.opening_fen + self.change_fen


class Teller:
    """Tells one statement in one language."""

    def __init__(self, statement: Statement, names: Names, language: Language) -> None:
        self.statement, self.language = statement, language
        self._names, self._zone = names, ZoneInfo(statement.zone)
        self._own = frozenset(statement.accounts)

    def say(self, word: str) -> str:
        """A fact's word."""
        return say(FACTS[word], self.language)

    @property
    def title(self) -> str:
        return say(TITLES[self.statement.kind], self.language)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What stands above the lines."""
        statement = self.statement
        subject, region = statement.subject, statement.region
        en = self.language == "en"
        return [
            (self.say("subject"), f"{subject.name_en if en else subject.name_zh} ({subject.code})"),
            (self.say("region"), f"{region.name_en if en else region.name_zh} ({region.code})"),
            (self.say("period"), statement.period),
            (self.say("state"), self.say("final" if statement.final else "draft")),
            (self.say("zone"), statement.zone),
            (self.say("journal"), " ".join(f"{lane}:{n}" for lane, n in statement.vector.items())),
            (self.say("count"), str(statement.count)),
            *map(self._share, statement.shares),
            *self._part(),
        ]

    def _part(self) -> list[tuple[str, str]]:
        statement = self.statement
        if statement.kind is not StatementKind.OPERATOR:
            return []
        return [(self.say("part"), format_yuan(sum(share.amount_fen for share in statement.shares)))]

    def _share(self, share: Share) -> tuple[str, str]:
        """`2,400.00 x 3/10 = 720.00`, beside the canteen's name."""
        canteen = share.canteen.name_en if self.language == "en" else share.canteen.name_zh
        base, part = format_yuan(share.base_fen), format_yuan(share.amount_fen)
        return canteen, f"{base} × {share.weight}/{sum(share.weights)} = {part}"

    @property
    def sums(self) -> list[Sum]:
        """Opening and change of its accounts, by kind."""
        statement = self.statement
        # A unit's opening is told of its own accounts, not of what its people hold.
        unsaid = 0 if statement.kind is StatementKind.PERSON else None
        return [
            Sum(
                say(COLUMN_OF_ACCOUNT[kind], self.language),
                statement.opening_fen.get(accounts[0], unsaid),
                sum(statement.gain_fen(account) for account in accounts),
            )
            for kind, accounts in statement.accounts_by_kind.items()
        ]

    @property
    def columns(self) -> list[str]:
        """The heads of `Row`'s cells."""
        named = {name: say(pair, self.language) for name, pair in COLUMNS.items()}
        amounts = [say(COLUMN_OF_ACCOUNT[kind], self.language) for kind in self.statement.account_kinds]
        first = [named[name] for name in ("number", "business_date", "time", "kind", "place")]
        return [*first, *amounts, named["transfer"], named["takes_back"]]

    def row(self, line: StatementLine) -> Row:
        """One line."""
        return Row(
            line.number,
            line.business_date.isoformat(),
            f"{line.happened_at.astimezone(self._zone):%Y-%m-%d %H:%M:%S}",
            line_kind(line.kind, self.language),
            self._place(line),
            tuple(line.gain_fen(kind) for kind in self.statement.account_kinds),
            line.transfer_id.hex,
            line.reference.hex if line.reference else "",
        )

    def _place(self, line: StatementLine) -> str:
        site = self._names.get(line.site_id) if line.site_id else None
        if site is not None:
            return self._name(site)
        others = [account for account in (line.debit, line.credit) if account not in self._own]
        return " ".join(self._account(account) for account in others)

    def _account(self, account: str) -> str:
        kind, _, owner = account.partition(":")
        place = self._names.get(UUID(hex=owner)) if owner else None
        word = account_word(kind, self.language)
        return f"{word} {self._name(place)}" if place is not None and kind != "bank" else word

    def _name(self, place: PlaceName) -> str:
        return place.name_en if self.language == "en" else place.name_zh


def ids_to_name(line: StatementLine) -> set[UUID]:
    """Which sites, regions and organisations a line speaks of."""
    owners = (account.partition(":")[2] for account in (line.debit, line.credit))
    found = {UUID(hex=owner) for owner in owners if owner}
    return found | {line.site_id} if line.site_id else found
