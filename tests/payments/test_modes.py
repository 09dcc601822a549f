"""A till takes amounts only in the ways that it is set to, whatever its screen may offer."""

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from identity.models import TerminalRow
from kernel import clock
from kernel.configuration import bump_configuration
from kernel.ids import uuid7
from payments.errors import ModeNotAllowed
from payments.modes import check_mode
from payments.posting_rule import Sale, SaleItem
from tests.payments.world import World, body_of

MEAL = Sale(uuid7(), uuid7(), clock.now())
KEYED = replace(MEAL, amount_fen=500)
MENU = replace(MEAL, items=(SaleItem(uuid7(), 1),))


async def set_modes(world: World, *modes: str) -> None:
    async with world.db.session() as session:
        version = await bump_configuration(session)
        change = update(TerminalRow).where(TerminalRow.id == world.till.id)
        await session.execute(change.values(modes=list(modes), configuration_version=version))


@pytest.mark.parametrize(
    ("mode", "allowed"), [("keyed", [KEYED]), ("fixed", [MEAL]), ("count", [MEAL]), ("menu", [MENU])]
)
def test_each_mode_allows_its_own_kind_of_sale_and_no_other(mode: str, allowed: list[Sale]) -> None:
    for sale in (MEAL, KEYED, MENU):
        if sale in allowed:
            check_mode(frozenset({mode}), sale)
        else:
            with pytest.raises(ModeNotAllowed):
                check_mode(frozenset({mode}), sale)


class TestATillWithoutTheMode:
    async def test_is_refused_from_the_next_payment_on_and_nothing_is_consumed(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=5000))).code
        await set_modes(world, "fixed")

        refused = await world.refused(code, amount_fen=500, seq=7, key="one")

        assert (refused.status, refused.code, refused.data) == (
            422,
            "MODE_NOT_ALLOWED",
            {"needed": ["keyed"], "modes": ["fixed"]},
        )
        await set_modes(world, "fixed", "keyed")
        assert (await world.pay(code, amount_fen=500, seq=7, key="one")).status == 201

    async def test_is_still_told_what_it_was_paid_before_the_mode_was_taken_away(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=5000))).code
        paid = await world.pay(code, amount_fen=500, seq=7, key="one")
        await set_modes(world, "fixed")

        again = await world.pay(code, amount_fen=500, seq=7, key="one")

        assert (again.replayed, body_of(again)) == (True, body_of(paid))
