"""A letter: as certain as the transaction that wanted it, sent by the worker, tried again, and no secret is left behind."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from kernel import clock, mail
from kernel.db import Database
from tests.mailbox import Mailbox, mailbox

HOUR = timedelta(hours=1)


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mailbox]:
    async with mailbox(monkeypatch) as found:
        yield found


async def write(db: Database, body: str = "秘密", life: timedelta = HOUR) -> None:
    async with db.session() as session:
        await mail.write_mail(session, "wang@example.test", "新密码", body, life=life)


async def rows(db: Database) -> list[tuple[bool, bool, int]]:
    """(still sealed, sent, attempts) of each letter."""
    async with db.session() as session:
        found = await session.execute(text("SELECT sealed IS NOT NULL, sent_at IS NOT NULL, attempts FROM mails"))
        return [(row[0], row[1], row[2]) for row in found]


class TestALetter:
    async def test_goes_out_once_and_its_text_is_gone_with_it(self, db: Database, box: Mailbox) -> None:
        await write(db)
        async with db.session() as session:
            stored = await session.scalar(text("SELECT sealed FROM mails"))
        assert "秘密".encode() not in stored

        assert await mail.send_next(db)
        assert not await mail.send_next(db)
        (letter,) = box.letters
        assert (letter["To"], letter["From"], letter["Subject"]) == ("wang@example.test", "card@guanjia.test", "新密码")
        assert letter.get_content().strip() == "秘密"
        assert await rows(db) == [(False, True, 1)]

    async def test_is_never_sent_where_its_transaction_came_to_nothing(self, db: Database, box: Mailbox) -> None:
        async def fail() -> None:
            async with db.session() as session:
                await mail.write_mail(session, "wang@example.test", "新密码", "秘密", life=HOUR)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert not await mail.send_next(db)
        assert box.letters == []

    async def test_is_tried_again_later_and_later(self, db: Database, box: Mailbox) -> None:
        await write(db)
        box.refuses = "451 try again"
        assert await mail.send_next(db)
        assert not await mail.send_next(db), "not at once"
        clock.advance(timedelta(seconds=11))
        assert await mail.send_next(db)
        box.refuses = None
        clock.advance(timedelta(seconds=11))
        assert not await mail.send_next(db), "now it waits longer"
        clock.advance(timedelta(seconds=10))
        assert await mail.send_next(db)
        assert len(box.letters) == 1
        assert await rows(db) == [(False, True, 3)]

    async def test_whose_worker_died_is_sent_by_another_under_the_same_name(self, db: Database, box: Mailbox) -> None:
        await write(db)
        await mail._claim(db)  # and then the power went
        assert not await mail.send_next(db)
        clock.advance(timedelta(minutes=3))
        assert await mail.send_next(db)
        assert box.letters[0]["Message-ID"].endswith("@guanjia.test>")

    async def test_that_nobody_would_want_any_more_is_not_sent_and_its_secret_goes(
        self, db: Database, box: Mailbox
    ) -> None:
        await write(db)
        clock.advance(timedelta(hours=2))
        assert not await mail.send_next(db)
        await mail.forget_old_mails(db)
        assert await rows(db) == [(False, False, 0)]
        clock.advance(timedelta(days=31))
        await mail.forget_old_mails(db)
        assert await rows(db) == []
        assert box.letters == []
