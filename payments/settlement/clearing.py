"""Netting a confirmed month and following the bank's word: what the books say of it, and who is told to pay what.

`net` posts each region's debts into `clearing:<month>` of both books, writes the instructions that are left to move, and
those to canteens, operators and billed units. `pay` books what a bank has moved. Banks move the net only; the platform
holds no pool of money itself.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit_log, clock
from kernel.errors import NotFound, StateConflict
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line, single_line
from payments.models import AccountingPeriod
from payments.settlement import netting, queries, service
from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.errors import BooksDiffer, ClearingWaits
from payments.settlement.events import PayoutPaid
from payments.settlement.models import (
    BankInstructionRow,
    Clearing,
    LineDispute,
    SettlementShare,
    SettlementStatement,
    SettlementTotal,
)
from payments.settlement.netting import Obligation
from payments.settlement.states import BANK_INSTRUCTION
from payments.states import next_state
from payments.subsidies.unit_money import RECEIVABLE, lock_account

_CLEARING_NAMES: Final = UUID("6f0e0c54-1d2b-5c0a-9a51-5a3f0c1e7d11")


def clearing_account(period: str) -> Account:
    """`clearing:<month>`: the owner is an id made from the month, the same in every book and installation."""
    return Account("clearing", uuid5(_CLEARING_NAMES, period))


async def net(session: AsyncSession, settlement_id: UUID, *, actor: str) -> Clearing:
    """Net the month of all regions that owe each other with this one, once all of them have confirmed."""
    wanted = await queries.get_settlement(session, settlement_id)
    month = await queries.lock_month(session, wanted.period)
    row = month[wanted.region_id]
    service.require_allowed(row, "net")
    if row.clearing_id is not None:
        raise StateConflict(state=row.state, trigger="net", allowed=["pay", "settle"])
    obligations = await obligations_of(session, month)
    together = netting.connected(month, obligations, row.region_id)
    waiting = sorted(region for region in together if month[region].state != "confirmed")
    if waiting:
        raise ClearingWaits(regions=[public_id("reg", region) for region in waiting])
    rows = [month[region] for region in sorted(together, key=lambda region: region.int)]
    clearing = await _open_clearing(session, rows, [owed for owed in obligations if owed.debtor in together], actor)
    for each in rows:
        each.clearing_id = clearing.id
        await service.advance(session, each, "net", actor)
    return clearing


async def obligations_of(session: AsyncSession, month: Mapping[UUID, AccountingPeriod]) -> list[Obligation]:
    """Who owes whom for a month, by the books of both; what is disputed between them waits in suspense.

    Of regions that have counted: what the debtor's book says must be what the creditor's book says.
    """
    counted = {row.id: row.region_id for row in month.values() if row.aggregates_hash is not None}
    rows = await session.execute(
        select(
            SettlementTotal.settlement_id,
            SettlementTotal.account_kind,
            SettlementTotal.account_owner,
            SettlementTotal.debit_fen,
            SettlementTotal.credit_fen,
        ).where(
            SettlementTotal.settlement_id.in_(counted),
            SettlementTotal.account_kind.in_(("due_to", "due_from")),
            SettlementTotal.kind.not_in(SETTLEMENT_KINDS),
        )
    )
    said: dict[str, dict[tuple[UUID, UUID], int]] = {"due_to": {}, "due_from": {}}
    for row in rows:
        region = counted[row.settlement_id]
        pair = (region, row.account_owner) if row.account_kind == "due_to" else (row.account_owner, region)
        owed_fen = row.credit_fen - row.debit_fen if row.account_kind == "due_to" else row.debit_fen - row.credit_fen
        said[row.account_kind][pair] = said[row.account_kind].get(pair, 0) + int(owed_fen)
    _refuse_differences(said, set(counted.values()))
    owed = said["due_from"] | said["due_to"]
    for (debtor, creditor), amount_fen in (await _disputed_between(session, counted)).items():
        owed[debtor, creditor] = owed.get((debtor, creditor), 0) - amount_fen
    ordered = sorted(owed.items(), key=lambda item: (item[0][0].int, item[0][1].int))
    # More given back than eaten: the debt is the other way round.
    return [
        Obligation(debtor, creditor, fen) if fen > 0 else Obligation(creditor, debtor, -fen)
        for (debtor, creditor), fen in ordered
        if fen
    ]


def _refuse_differences(said: Mapping[str, Mapping[tuple[UUID, UUID], int]], counted: set[UUID]) -> None:
    for debtor, creditor in sorted(said["due_to"].keys() | said["due_from"].keys()):
        if {debtor, creditor} <= counted:
            ours, theirs = said["due_to"].get((debtor, creditor), 0), said["due_from"].get((debtor, creditor), 0)
            if ours != theirs:
                raise BooksDiffer(
                    region=public_id("reg", debtor),
                    other=public_id("reg", creditor),
                    ours_fen=ours,
                    theirs_fen=theirs,
                )


async def _disputed_between(session: AsyncSession, counted: Mapping[UUID, UUID]) -> dict[tuple[UUID, UUID], int]:
    """{(debtor, creditor): fen} of what regions dispute with each other."""
    rows = await session.execute(
        select(LineDispute, SettlementStatement.party_id)
        .join(SettlementStatement, SettlementStatement.id == LineDispute.statement_id)
        .where(LineDispute.settlement_id.in_(counted), SettlementStatement.kind == "region_pair")
    )
    found: dict[tuple[UUID, UUID], int] = {}
    for dispute, party_id in rows:
        region = counted[dispute.settlement_id]
        pair = (region, party_id) if dispute.line_kind.startswith("due_to.") else (party_id, region)
        found[pair] = found.get(pair, 0) + dispute.amount_fen
    return found


async def _open_clearing(
    session: AsyncSession, rows: Sequence[AccountingPeriod], obligations: Sequence[Obligation], actor: str
) -> Clearing:
    period = rows[0].period
    positions = {row.region_id: 0 for row in rows} | netting.net_positions(obligations)
    moves = netting.transfers(positions)
    clearing = Clearing(
        id=uuid7(),
        period=period,
        region_ids=[str(row.region_id) for row in rows],
        obligations=[
            {"debtor": str(owed.debtor), "creditor": str(owed.creditor), "amount_fen": owed.amount_fen}
            for owed in obligations
        ],
        positions={str(region): fen for region, fen in positions.items()},
        gross_fen=netting.gross_fen(obligations),
        moved_fen=netting.gross_fen(moves),
        netted_by=actor,
        netted_at=clock.now(),
    )
    session.add(clearing)
    by_region = {row.region_id: row for row in rows}
    for move in moves:
        settlement = by_region[move.debtor]
        _instruct(
            session,
            settlement,
            clearing,
            "region_net",
            ("region", move.debtor),
            ("region", move.creditor),
            move.amount_fen,
        )
    lines = [line for owed in obligations for line in await _netting_lines(session, period, owed)]
    for row in rows:
        lines += await _commission_lines(session, row)
        await _instruct_parties(session, row, clearing)
    await session.flush()
    await post_lines(session, lines)
    return clearing


async def _netting_lines(session: AsyncSession, period: str, owed: Obligation) -> list[Line]:
    """A debt leaves due_to and due_from for the clearing accounts of both books."""
    booking = await _booking(session, "netting", owed.debtor, owed.creditor)
    clearing = clearing_account(period)
    to, due_from = Account("due_to", owed.creditor), Account("due_from", owed.debtor)
    return [
        single_line(booking, owed.debtor, to, clearing, owed.amount_fen),
        single_line(booking, owed.creditor, clearing, due_from, owed.amount_fen)._replace(ordinal=1),
    ]


async def _commission_lines(session: AsyncSession, row: AccountingPeriod) -> list[Line]:
    """The operators' parts leave their canteens' accounts."""
    shares = await session.scalars(
        select(SettlementShare)
        .where(SettlementShare.settlement_id == row.id, SettlementShare.role == "operator")
        .order_by(SettlementShare.site_id, SettlementShare.ordinal)
    )
    lines = []
    for share in shares:
        if share.amount_fen:
            canteen, operator = Account("payable", share.site_id), Account("operator_payable", share.organisation_id)
            debit, credit = (canteen, operator) if share.amount_fen > 0 else (operator, canteen)
            booking = await _booking(session, "commission", row.region_id)
            lines.append(single_line(booking, row.region_id, debit, credit, abs(share.amount_fen)))
    return lines


async def _booking(session: AsyncSession, kind: str, region_id: UUID, *others: UUID) -> Booking:
    on = clock.business_date(clock.now(), get_settings().zone)
    return Booking(HOUSE_BUCKET, uuid7(HOUSE_BUCKET), kind, on, await open_period(session, region_id, on, *others))


# ---- instructions


async def _instruct_parties(session: AsyncSession, row: AccountingPeriod, clearing: Clearing) -> None:
    region = ("region", row.region_id)
    for statement in await queries.statements_of(session, row.id):
        due_fen, party = statement.due_fen, statement.party_id
        if statement.kind == "canteen" and due_fen > 0:
            _instruct(session, row, clearing, "canteen_payout", region, ("site", party), due_fen)
        elif statement.kind == "canteen" and due_fen < 0:
            _instruct(session, row, clearing, "canteen_return", ("site", party), region, -due_fen)
        elif statement.kind == "operator" and due_fen > 0:
            _instruct(session, row, clearing, "operator_commission", region, ("organisation", party), due_fen)
        elif statement.kind == "unit" and due_fen < 0:
            _instruct(session, row, clearing, "unit_bill", ("organisation", party), region, -due_fen)


def _instruct(
    session: AsyncSession,
    row: AccountingPeriod,
    clearing: Clearing,
    kind: str,
    debtor: tuple[str, UUID],
    creditor: tuple[str, UUID],
    amount_fen: int,
) -> None:
    identifier = uuid7()
    session.add(
        BankInstructionRow(
            id=identifier,
            settlement_id=row.id,
            clearing_id=clearing.id,
            kind=kind,
            debtor_kind=debtor[0],
            debtor_id=debtor[1],
            creditor_kind=creditor[0],
            creditor_id=creditor[1],
            amount_fen=amount_fen,
            reference=f"GJ {row.period} {kind} {identifier.hex[-8:]}",
            # 34 characters, as ISO 20022 allows 35; what comes back on the bank's statement leads to the row.
            end_to_end_id=f"GJ{identifier.hex}".upper(),
            state="issued",
            issued_at=clock.now(),
        )
    )


async def pay(
    session: AsyncSession,
    settlement_id: UUID,
    instruction_ids: Sequence[UUID] | None,
    bank_reference: str,
    *,
    actor: str,
) -> int:
    """Book what a bank has moved; without a list, everything of this period that is still open. Returns how many."""
    row = await queries.lock_settlement(session, settlement_id)
    service.require_allowed(row, "pay")
    known = {each.id: each for each in await queries.instructions_of(session, row)}
    for wanted in instruction_ids or ():
        if wanted not in known:
            raise NotFound(what="bank_instruction", id=public_id("bki", wanted))
    locked = await session.scalars(
        select(BankInstructionRow)
        .where(BankInstructionRow.id.in_(known if instruction_ids is None else instruction_ids))
        .order_by(BankInstructionRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    due = [each for each in locked if instruction_ids is not None or each.state == "issued"]
    await book_paid(session, due, row.period, bank_reference, actor=actor)
    if due:
        await service.advance(session, row, "pay", actor)
    return len(due)


async def book_paid(
    session: AsyncSession, due: Sequence[BankInstructionRow], period: str, bank_reference: str, *, actor: str
) -> None:
    """Instructions, locked by the caller, were carried out: state, lines, events. Also what a bank's statement calls."""
    lines: list[Line] = []
    for each in due:
        each.state = next_state(BANK_INSTRUCTION, each.state, "pay")
        each.paid_at, each.paid_by, each.bank_reference = clock.now(), actor, bank_reference
        lines += await _payment_lines(session, each, period)
        if each.kind == "canteen_payout":
            publish(
                session,
                PayoutPaid(
                    happened_at=clock.rfc3339(clock.now()),
                    instruction=public_id("bki", each.id),
                    canteen=public_id("can", each.creditor_id),
                    period=period,
                    amount_fen=each.amount_fen,
                ),
            )
        await audit_log.record(
            session,
            actor=actor,
            action="bank_instruction.pay",
            subject=public_id("bki", each.id),
            data={"amount_fen": each.amount_fen, "bank_reference": bank_reference},
        )
    await session.flush()
    await post_lines(session, lines)


async def _payment_lines(session: AsyncSession, each: BankInstructionRow, period: str) -> list[Line]:
    if each.kind == "region_net":
        booking = await _booking(session, "bank_payment", each.debtor_id, each.creditor_id)
        clearing = clearing_account(period)
        return [
            single_line(booking, each.debtor_id, clearing, Account("bank", each.debtor_id), each.amount_fen),
            single_line(
                booking, each.creditor_id, Account("bank", each.creditor_id), clearing, each.amount_fen
            )._replace(ordinal=1),
        ]
    outward = each.debtor_kind == "region"
    region_id = each.debtor_id if outward else each.creditor_id
    party = await _party_account(session, each)
    booking, bank = await _booking(session, "bank_payment", region_id), Account("bank", region_id)
    debit, credit = (party, bank) if outward else (bank, party)
    return [single_line(booking, region_id, debit, credit, each.amount_fen)]


async def _party_account(session: AsyncSession, each: BankInstructionRow) -> Account:
    if each.kind == "unit_bill":
        owed = await lock_account(session, each.debtor_id, RECEIVABLE)
        owed.give_back(each.amount_fen)
        return owed.account
    party = each.creditor_id if each.debtor_kind == "region" else each.debtor_id
    return Account("operator_payable" if each.kind == "operator_commission" else "payable", party)


async def fail(session: AsyncSession, settlement_id: UUID, instruction_id: UUID, reason: str, *, actor: str) -> None:
    """The bank has refused it: nothing is booked, and it can be issued again."""
    await _turn(session, settlement_id, instruction_id, "fail", actor, reason)


async def reissue(session: AsyncSession, settlement_id: UUID, instruction_id: UUID, *, actor: str) -> None:
    """Once more, under the same end-to-end id: a bank that has carried it out after all finds it is the same."""
    await _turn(session, settlement_id, instruction_id, "reissue", actor, None)


async def _turn(
    session: AsyncSession, settlement_id: UUID, instruction_id: UUID, trigger: str, actor: str, reason: str | None
) -> None:
    row = await queries.lock_settlement(session, settlement_id)
    service.require_allowed(row, "pay")
    each = await session.get(BankInstructionRow, instruction_id, with_for_update=True, populate_existing=True)
    if each is None or each.id not in {known.id for known in await queries.instructions_of(session, row)}:
        raise NotFound(what="bank_instruction", id=public_id("bki", instruction_id))
    each.state, each.failure = next_state(BANK_INSTRUCTION, each.state, trigger), reason
    await audit_log.record(
        session,
        actor=actor,
        action=f"bank_instruction.{trigger}",
        subject=public_id("bki", each.id),
        data={"reason": reason},
    )
