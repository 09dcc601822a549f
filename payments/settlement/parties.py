"""What settling needs to know of regions, canteens and organisations: how takings are shared, and where their money is."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, place_names, site_summary
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id
from payments.models import AccountingPeriod
from payments.settlement import queries, schemas, service
from payments.settlement.models import BankAccount, CanteenShare, SettlementStatement
from payments.settlement.states import pressable

_READERS: Final = (Role.FINANCE, Role.AUDIT_ADMIN)
_KINDS: Final = {"reg": "region", "can": "site", "org": "organisation"}
_PREFIXES: Final = {kind: prefix for prefix, kind in _KINDS.items()}


async def require_region(session: AsyncSession, region_id: UUID) -> None:
    """NotFound for what is no region."""
    place = (await place_names(session, [region_id])).get(region_id)
    if place is None or place.region_id != region_id:
        raise NotFound(what="reg", id=public_id("reg", region_id))


async def readable_statement(
    session: AsyncSession, person: Principal, row: AccountingPeriod, statement_id: UUID
) -> SettlementStatement:
    """A statement for the office of its region, and for who answers for its party."""
    statement = await queries.get_statement(session, row.id, statement_id)
    if not await service.answered_by(session, person, [statement]):
        person.require(*_READERS, region_id=row.region_id)
    return statement


async def list_shares(session: AsyncSession, person: Principal, site_id: UUID) -> Sequence[CanteenShare]:
    """All that was ever said, the newest month first."""
    await _require_site(session, person, site_id)
    rows = await session.scalars(
        select(CanteenShare)
        .where(CanteenShare.site_id == site_id)
        .order_by(CanteenShare.from_period.desc(), CanteenShare.ordinal)
    )
    return rows.all()


async def set_shares(session: AsyncSession, person: Principal, site_id: UUID, body: schemas.SharesBody) -> None:
    """Share a canteen's takings from a month on; a month that was cut off is shared as it was."""
    region_id = await _require_site(session, person, site_id)
    person.require(Role.FINANCE, region_id=region_id)
    if sum(share.role == "canteen" for share in body.shares) != 1:
        raise Malformed(reason="exactly one part is the canteen's own", field="shares")
    closed = await session.scalar(
        select(func.max(AccountingPeriod.period)).where(
            AccountingPeriod.region_id == region_id, AccountingPeriod.state != "open"
        )
    )
    if closed is not None and body.from_period <= closed:
        raise StateConflict(state="cutoff", trigger="set_shares", allowed=pressable("cutoff"))
    organisations = [parse_public_id("org", share.organisation) for share in body.shares]
    unknown = set(organisations) - (await place_names(session, organisations)).keys()
    if unknown:
        raise NotFound(what="org", id=public_id("org", min(unknown)))
    await session.execute(
        delete(CanteenShare).where(CanteenShare.site_id == site_id, CanteenShare.from_period == body.from_period)
    )
    rows = [
        {
            "site_id": site_id,
            "from_period": body.from_period,
            "ordinal": ordinal,
            "organisation_id": organisations[ordinal],
            "weight": share.weight,
            "role": share.role,
        }
        for ordinal, share in enumerate(body.shares)
    ]
    await session.execute(insert(CanteenShare), rows)
    await audit_log.record(
        session,
        actor=person.actor,
        action="canteen.share",
        subject=public_id("can", site_id),
        data=body.model_dump(),
    )


async def _require_site(session: AsyncSession, person: Principal, site_id: UUID) -> UUID:
    site = (await site_summary(session, [site_id])).get(site_id)
    if site is None:
        raise NotFound(what="can", id=public_id("can", site_id))
    person.require(*_READERS, region_id=site.region_id)
    return site.region_id


async def show_bank_account(session: AsyncSession, person: Principal, party: str) -> schemas.BankAccountView:
    """An account, for the finance office of its region."""
    _, party_id = await _party(session, person, party)
    row = await session.get(BankAccount, party_id)
    if row is None:
        raise NotFound(what="bank_account", id=party)
    return _account_view(row)


async def list_bank_accounts(
    session: AsyncSession, person: Principal, region_id: UUID
) -> list[schemas.BankAccountView]:
    """What is entered for the parties of one region; the missing ones are those that no bank file can be written for."""
    await require_region(session, region_id)
    person.require(Role.FINANCE, region_id=region_id)
    rows = (await session.scalars(select(BankAccount).order_by(BankAccount.party_id))).all()
    places = await place_names(session, {row.party_id for row in rows})
    return [
        _account_view(row) for row in rows if row.party_id in places and places[row.party_id].region_id == region_id
    ]


def _account_view(row: BankAccount) -> schemas.BankAccountView:
    return schemas.BankAccountView(
        party=public_id(_PREFIXES[row.party_kind], row.party_id),
        account_name=row.account_name,
        account_number=row.account_number,
        bank_number=row.bank_number,
        bank_name=row.bank_name,
    )


async def set_bank_account(session: AsyncSession, person: Principal, party: str, body: schemas.BankAccountBody) -> None:
    """Enter or change an account; the log keeps the last four digits of the number."""
    kind, party_id = await _party(session, person, party)
    values = {**body.model_dump(), "party_kind": kind, "changed_by": person.actor, "changed_at": clock.now()}
    await session.execute(
        upsert(BankAccount)
        .values(party_id=party_id, **values)
        .on_conflict_do_update(index_elements=[BankAccount.party_id], set_=values)
    )
    await audit_log.record(
        session,
        actor=person.actor,
        action="bank_account.set",
        subject=party,
        data={"ends_with": body.account_number[-4:], "bank_number": body.bank_number},
    )


async def _party(session: AsyncSession, person: Principal, party: str) -> tuple[str, UUID]:
    prefix = party.partition("_")[0]
    if prefix not in _KINDS:
        raise NotFound(what="party", id=party)
    party_id = parse_public_id(prefix, party)
    place = (await place_names(session, [party_id])).get(party_id)
    if place is None:
        raise NotFound(what=prefix, id=party)
    person.require(Role.FINANCE, region_id=place.region_id)
    return _KINDS[prefix], party_id
