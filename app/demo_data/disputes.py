"""What people of the demo province said was wrong with their lunch: asked, answered, passed on, decided."""

from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from app.demo_data.people import Population, demo_people
from app.demo_data.places import Places
from canteen.api import CanteenPricing
from identity.api import Role, principal_of, today
from kernel.db import Database
from payments.disputes.schemas import DisputeAnswer, DisputeRequest, Reason
from payments.disputes.service import open_dispute, pull


class Story(NamedTuple):
    """One dispute: where, why, and how far it has come."""

    canteen: str
    reason: Reason
    words: str
    amount_fen: int | None = None
    # Trigger and words, by whoever's turn it is.
    then: tuple[tuple[str, str], ...] = ()


_STORIES: Final = (
    Story("C1", "wrong_amount", "只打了一荤一素，收了两荤的钱", 600),
    Story("C1", "duplicate", "网络卡了一下，扫了两次，都扣了"),
    Story("C1", "not_me", "那天我在出差，没有去食堂", None, (("reject", "当天有刷码记录，时间地点都对得上"),)),
    Story(
        "C1",
        "wrong_amount",
        "米饭按两份收的",
        100,
        (("reject", "收银员记得是两份"), ("escalate", "我只拿了一份，同桌可以证明")),
    ),
    Story("C1", "wrong_amount", "汤没有上，退汤钱", 300, (("accept", "汤桶空了，抱歉，已退"),)),
    Story(
        "C1",
        "location_mismatch",
        "我在一楼，账单写的二楼",
        None,
        (("reject", "两层共用一个账户"), ("escalate", "请核对"), ("dismiss", "地点名称统一，金额无误")),
    ),
)
_PAYMENTS: Final = text("""
    SELECT DISTINCT ON (p.person_id) p.id, p.person_id
      FROM payments p JOIN people ON people.id = p.person_id AND people.status = 'active'
     WHERE p.site_id = :site AND p.status = 'succeeded' AND p.amount_fen >= 1000 AND p.person_id <> ALL(:known)
     ORDER BY p.person_id, p.id DESC
""")


async def raise_disputes(db: Database, places: Places, population: Population) -> None:
    """Of the latest payments of people without a login; answered by the canteen's manager, decided by finance."""
    known = list(demo_people(population))
    rule = CanteenPricing()
    connection = await db.raw_connection()
    try:
        await rule.refresh(connection, 0)
    finally:
        await connection.close()
    async with db.session() as session:
        rows = (await session.execute(_PAYMENTS, {"site": places.canteens["C1"], "known": known})).all()
    latest = sorted(rows, key=lambda row: row.id.int, reverse=True)
    for story, row in zip(_STORIES, latest, strict=False):
        await _tell(db, population, rule, story, row.id, row.person_id)


async def _tell(
    db: Database, population: Population, rule: CanteenPricing, story: Story, payment_id: UUID, person_id: UUID
) -> None:
    speakers = {
        "reject": population.staff_id(Role.CANTEEN_MANAGER),
        "accept": population.staff_id(Role.CANTEEN_MANAGER),
        "escalate": person_id,
        "dismiss": population.staff_id(Role.FINANCE),
    }
    async with db.session() as session:
        payer = await principal_of(session, person_id, today())
        wanted = DisputeRequest(reason=story.reason, words=story.words, amount_fen=story.amount_fen)
        dispute_id = (await open_dispute(session, payer, payment_id, wanted)).id
    for trigger, words in story.then:
        async with db.session() as session:
            speaker = await principal_of(session, speakers[trigger], today())
            await pull(session, speaker, dispute_id, trigger, DisputeAnswer(words=words), rule)
