"""Letters with invitations: what arrives in a mailbox is read by a reader of iCalendar that is not ours."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import text

from kernel import mail
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from tests.booking.conftest import Campus, Json, instant
from tests.booking.test_feeds import parts
from tests.mailbox import Mailbox, mailbox

GUEST = {"name": "赵先生", "address": "zhao@partner.test"}


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mailbox]:
    async with mailbox(monkeypatch) as found:
        yield found


async def arrived(campus: Campus, box: Mailbox) -> list[EmailMessage]:
    """What comes now."""
    box.letters.clear()
    while await mail.send_next(campus.db):
        pass
    return box.letters


def invitation(letter: EmailMessage) -> tuple[str, Json]:
    """The method, and the one event."""
    part: Any = next(part for part in letter.walk() if part.get_content_type() == "text/calendar")
    calendar = Calendar.from_ical(part.get_content())
    method = part.get_param("method")
    assert method == calendar["METHOD"]
    (event,) = parts(calendar, "VEVENT")
    return str(method), event


async def invite(campus: Campus, booking: Json, *guests: Json, people: tuple[str, ...] = ()) -> Json:
    body = {"people": list(people), "guests": list(guests)}
    answer = await campus.wang.http.put(f"/v1/bookings/{booking['id']}/invitees", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


class TestLetters:
    async def test_follow_a_booking_from_its_confirmation_to_its_end(self, campus: Campus, box: Mailbox) -> None:
        held = await campus.wang.holds(campus.hall, 1, title="方案评审")
        await invite(campus, held, GUEST)
        assert await arrived(campus, box) == []

        await campus.wang.pulls(held, "confirm")
        (letter,) = await arrived(campus, box)
        method, event = invitation(letter)
        assert (letter["To"], method, str(event["SUMMARY"])) == ("zhao@partner.test", "REQUEST", "方案评审")
        assert "2026-11-23 10:00 - 11:00" in letter.get_body(preferencelist=("plain",)).get_content()  # type: ignore[union-attr]  # it has one
        assert (str(event["ATTENDEE"]), event["STATUS"]) == ("mailto:zhao@partner.test", "CONFIRMED")

        await campus.wang.pulls(held, "move", starts_at=instant(3), ends_at=instant(4))
        ((method, moved),) = map(invitation, await arrived(campus, box))
        assert (method, moved["UID"], moved["SEQUENCE"]) == ("REQUEST", event["UID"], event["SEQUENCE"] + 1)

        await campus.wang.pulls(held, "cancel")
        ((method, gone),) = map(invitation, await arrived(campus, box))
        assert (method, gone["UID"], gone["STATUS"]) == ("CANCEL", event["UID"], "CANCELLED")
        assert gone["SEQUENCE"] > moved["SEQUENCE"]

    async def test_who_is_no_longer_invited_is_told_and_the_others_are_left_in_peace(
        self, campus: Campus, box: Mailbox
    ) -> None:
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        other = {"name": "钱女士", "address": "qian@partner.test"}
        shown = await invite(campus, booked, GUEST, other)
        assert [each["address"] for each in shown["invitees"]] == ["qi***@partner.test", "zh***@partner.test"]
        assert len(await arrived(campus, box)) == 2

        await invite(campus, booked, other)

        assert [(letter["To"], invitation(letter)[0]) for letter in await arrived(campus, box)] == [
            ("zhao@partner.test", "CANCEL")
        ]

    async def test_a_colleague_has_it_in_their_calendar_with_or_without_an_address(
        self, campus: Campus, box: Mailbox
    ) -> None:
        async with campus.db.session() as session:
            set_mail = text("UPDATE people SET email = 'zhou@unit.test' WHERE id = :id")
            await session.execute(set_mail, {"id": parse_public_id("per", campus.zhou.id)})
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        await invite(campus, booked, people=(campus.zhou.id, campus.stranger.id))

        assert [letter["To"] for letter in await arrived(campus, box)] == ["zhou@unit.test"]
        path = (await campus.stranger.http.post("/v1/me/booking_feed")).json()["url"].removeprefix("https://card.test")
        (event,) = parts(Calendar.from_ical((await campus.stranger.http.get(path)).content), "VEVENT")
        assert str(event["SUMMARY"]) == "例会"

    @pytest.mark.parametrize("address", ["nobody", "a@b\r\nBcc: c@d.test", "<a@b.test>", "a b@c.test", "@b.test"])
    async def test_what_is_no_address_is_422(self, campus: Campus, address: str) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        body = {"guests": [{"name": "客", "address": address}]}
        assert (await campus.wang.http.put(f"/v1/bookings/{held['id']}/invitees", json=body)).status_code == 422

    async def test_without_a_mail_server_they_wait_to_be_looked_at_and_in_production_there_are_none(
        self, campus: Campus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        await invite(campus, held, GUEST)
        await campus.wang.pulls(held, "confirm")
        async with campus.db.session() as session:
            (letter,) = await mail.waiting_invitations(session, 10)
        assert letter.invitation is not None
        assert (letter.to_address, letter.invitation.method) == ("zhao@partner.test", "REQUEST")

        with monkeypatch.context() as served:
            served.setattr(get_settings(), "production", True)
            await campus.wang.pulls(held, "cancel")
        async with campus.db.session() as session:
            assert len(await mail.waiting_invitations(session, 10)) == 1
