"""Who may be named, who has named me, and what the invited say."""

from sqlalchemy import text

from kernel import mail
from kernel.ids import parse_public_id
from tests.booking.conftest import Campus, Guest, Json, instant

GUEST = {"name": "赵先生", "address": "zhao@partner.test"}


async def found(guest: Guest, words: str) -> list[str]:
    answer = await guest.http.get("/v1/booking_people", params={"q": words})
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


class TestWhomSomebodyMeans:
    async def test_a_colleague_is_found_by_a_letter_and_a_stranger_only_by_the_whole_name(self, campus: Campus) -> None:
        assert await found(campus.wang, "周") == ["周明"]
        assert await found(campus.wang, "zhou") == ["周明"]
        assert await found(campus.wang, "李") == []
        assert await found(campus.wang, "李强") == ["李强"]

    async def test_who_has_left_is_nobody_to_name(self, campus: Campus) -> None:
        async with campus.db.session() as session:
            gone = text("UPDATE people SET status = 'left' WHERE id = :id")
            await session.execute(gone, {"id": parse_public_id("per", campus.zhou.id)})
        assert await found(campus.wang, "周明") == []


class TestADelegate:
    async def test_sees_who_has_named_them_until_it_ends(self, campus: Campus) -> None:
        async def principals() -> list[Json]:
            rows: list[Json] = (await campus.stranger.http.get("/v1/me/booking_principals")).json()["data"]
            return rows

        assert await principals() == []
        await campus.wang.http.post("/v1/me/booking_delegates", json={"person": campus.stranger.id})
        assert await principals() == [{"id": campus.wang.id, "name": "王芳"}]
        await campus.wang.http.delete(f"/v1/me/booking_delegates/{campus.stranger.id}")
        assert await principals() == []


async def invite(campus: Campus, booking: Json, **who: object) -> Json:
    answer = await campus.wang.http.post(f"/v1/bookings/{booking['id']}/invitees", json=who)
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()
    return shown


class TestTheInvited:
    async def test_are_added_and_removed_one_by_one_and_the_others_keep_their_answers(self, campus: Campus) -> None:
        booked = await campus.wang.pulls(await campus.wang.holds(campus.hall, 1), "confirm")
        await invite(campus, booked, person=campus.zhou.id)
        (mine,) = (await campus.zhou.http.get("/v1/me/invitations")).json()["data"]
        assert (mine["title"], mine["organiser_name"], mine["answer"]) == ("例会", "王芳", None)

        said = await campus.zhou.http.post(f"/v1/invitations/{mine['code']}", json={"answer": "accepted"})
        assert said.json()["answer"] == "accepted"
        shown = await invite(campus, booked, guest=GUEST)
        assert {each["name"]: (each["answer"], each["letter"]) for each in shown["invitees"]} == {
            "周明": ("accepted", "none"),
            "赵先生": (None, "waiting"),
        }
        assert len((await invite(campus, booked, guest=GUEST))["invitees"]) == 2

        guest = next(each for each in shown["invitees"] if each["name"] == "赵先生")
        left = await campus.wang.http.delete(f"/v1/bookings/{booked['id']}/invitees/{guest['id']}")
        assert [each["answer"] for each in left.json()["invitees"]] == ["accepted"]
        again = await campus.wang.http.delete(f"/v1/bookings/{booked['id']}/invitees/{guest['id']}")
        assert again.status_code == 404

    async def test_a_guest_answers_by_the_link_in_the_letter_and_another_time_asks_anew(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        assert (await invite(campus, held, guest=GUEST))["invitees"][0]["letter"] == "none"
        await campus.wang.pulls(held, "confirm")
        async with campus.db.session() as session:
            (letter,) = await mail.waiting_invitations(session, 10)
        code = letter.body.split("/invitation/")[1].split()[0]

        # Whoever holds the letter: nobody asks who is signed in on that device.
        outside = campus.stranger.http
        shown = (await outside.get(f"/v1/invitations/{code}")).json()
        assert (shown["name"], shown["bookable_name_zh"]) == ("赵先生", "一号会议室")
        await outside.post(f"/v1/invitations/{code}", json={"answer": "declined"})
        assert (await campus.wang.sees(held))["invitees"][0]["answer"] == "declined"

        await campus.wang.pulls(held, "move", starts_at=instant(3), ends_at=instant(4))
        assert (await campus.wang.sees(held))["invitees"][0]["answer"] is None
        await campus.wang.pulls(held, "cancel")
        late = await outside.post(f"/v1/invitations/{code}", json={"answer": "accepted"})
        assert late.status_code == 409

    async def test_a_booking_code_or_any_word_is_no_invitation(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        own = (await campus.wang.http.get(f"/v1/bookings/{held['id']}/code")).json()["code"]
        for code in (own, "A" * 50, "x"):
            assert (await campus.wang.http.get(f"/v1/invitations/{code}")).status_code == 404

    async def test_only_its_people_invite(self, campus: Campus) -> None:
        held = await campus.wang.holds(campus.hall, 1)
        path = f"/v1/bookings/{held['id']}/invitees"
        assert (await campus.stranger.http.post(path, json={"guest": GUEST})).status_code == 404
        both = {"guest": GUEST, "person": campus.zhou.id}
        assert (await campus.wang.http.post(path, json=both)).status_code == 422
