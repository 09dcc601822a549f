"""A guest's payment counts in the span of the journal in which its money was booked, whenever its code was shown."""

from kernel import clock
from kernel.ids import public_id
from payments.api import Span, TillSale, journal_position, ledger_sums, sales_of_till
from tests.payments.channels.shop import Shop
from tests.payments.channels.test_guests import charged, confirm


async def position(shop: Shop) -> dict[int, int]:
    async with shop.world.db.session() as session:
        return await journal_position(session)


async def sales(shop: Shop, after: dict[int, int], until: dict[int, int]) -> list[TillSale]:
    now = clock.now()
    async with shop.world.db.session() as session:
        return await sales_of_till(session, Span(shop.world.till.id, now, after, now, until))


async def test_a_guest_who_pays_after_the_hand_over_is_in_the_next_shift(shop: Shop) -> None:
    opened = await position(shop)
    guest = await charged(shop, "wait")
    handed_over = await position(shop)
    await confirm(shop, guest, drop_notify=True)
    await shop.wait(5)
    ended = await position(shop)

    assert await sales(shop, opened, handed_over) == []
    (sale,) = await sales(shop, handed_over, ended)
    assert (public_id("gst", sale.id), sale.legs, sale.is_guest) == (guest["id"], (("alipay", 1800),), True)
    async with shop.world.db.session() as session:
        assert await ledger_sums(session, [sale.id]) == {("psp_clearing", "payable"): 1800}


async def test_a_guest_who_never_pays_is_in_none(shop: Shop) -> None:
    opened = await position(shop)
    await charged(shop, "wait")
    for _ in range(12):
        await shop.wait(5)

    assert await sales(shop, opened, await position(shop)) == []
