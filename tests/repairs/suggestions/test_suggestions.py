"""Somebody puts a suggestion into the box; the office answers in public, without knowing whose it is; its raiser rates."""

from typing import Any
from uuid import uuid4

import pytest

from kernel.errors import StateConflict
from repairs.suggestions.states import SUGGESTION, TRIGGERS, allowed_to, next_state, states_of
from tests.repairs.orders.workshop import Json, Somebody, Workshop


async def raised(who: Somebody, **more: Any) -> Json:
    answer = await who.post("suggestions", **{"client_id": str(uuid4()), "title": "晚餐加一个汤", **more})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def step(who: Somebody, suggestion: Json, trigger: str, **body: Any) -> tuple[int, Json]:
    answer = await who.post(f"suggestions/{suggestion['id']}/{trigger}", **body)
    return answer.status_code, answer.json()


async def listed(who: Somebody, whose: str = "public") -> list[Json]:
    answer = await who.http.get("/v1/suggestions", params={"whose": whose})
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


class TestTheLoop:
    async def test_from_the_box_to_the_stars(self, shop: Workshop) -> None:
        suggestion = await raised(shop.wang, words="天冷了")
        assert (suggestion["is_mine"], suggestion["allowed"]) == (True, ["withdraw"])
        assert await listed(shop.zhou) == []
        (boxed,) = await listed(shop.lead, "office")
        assert (boxed["is_mine"], boxed["allowed"]) == (False, ["accept", "decline", "answer"])

        assert (await step(shop.lead, boxed, "accept"))[0] == 200
        status, answered = await step(shop.lead, boxed, "answer", words="下周起每晚一汤")
        assert (status, answered["state"]) == (200, "answered")
        (public,) = await listed(shop.zhou)
        assert (public["answer"], public["allowed"]) == ("下周起每晚一汤", [])

        status, rated = await step(shop.wang, suggestion, "rate", score=5)
        assert (status, rated["state"], rated["score"]) == (200, "rated", 5)

    async def test_sent_twice_it_is_one(self, shop: Workshop) -> None:
        name = str(uuid4())
        first, again = await raised(shop.wang, client_id=name), await raised(shop.wang, client_id=name)
        assert first["id"] == again["id"]
        assert len(await listed(shop.wang, "mine")) == 1

    async def test_nobody_learns_whose_it_is(self, shop: Workshop) -> None:
        suggestion = await raised(shop.wang)
        await step(shop.lead, suggestion, "accept")
        for reader in (shop.lead, shop.zhou):
            answer = await reader.http.get(f"/v1/suggestions/{suggestion['id']}")
            assert shop.wang.person_id.hex not in answer.text
            assert "王芳" not in answer.text

    async def test_what_is_in_the_box_is_for_its_raiser_and_the_office(self, shop: Workshop) -> None:
        suggestion = await raised(shop.wang)
        path = f"/v1/suggestions/{suggestion['id']}"
        assert (await shop.zhou.http.get(path)).status_code == 404
        assert (await shop.lead.http.get(path)).status_code == 200
        assert (await step(shop.zhou, suggestion, "rate", score=5))[0] == 404
        assert (await step(shop.zhou, suggestion, "answer", words="好"))[0] == 403
        assert (await shop.zhou.http.get("/v1/suggestions", params={"whose": "office"})).status_code == 403


class TestRefusals:
    async def test_an_answer_a_refusal_and_a_low_score_have_words(self, shop: Workshop) -> None:
        suggestion = await raised(shop.wang)
        for trigger in ("answer", "decline"):
            status, body = await step(shop.lead, suggestion, trigger)
            assert (status, body["code"]) == (422, "SUGGESTION_NEEDS_WORDS")
        await step(shop.lead, suggestion, "decline", words="厨房不够大")
        assert (await step(shop.wang, suggestion, "rate", score=2))[1]["code"] == "SUGGESTION_NEEDS_WORDS"
        assert (await step(shop.wang, suggestion, "rate", score=2, words="再想想"))[0] == 200

    async def test_nobody_answers_their_own(self, shop: Workshop) -> None:
        status, body = await step(shop.lead, await raised(shop.lead), "answer", words="好主意")
        assert (status, body["code"]) == (403, "OWN_SUGGESTION")

    async def test_a_stale_page_changes_nothing_and_is_told_what_is_possible(self, shop: Workshop) -> None:
        suggestion = await raised(shop.wang)
        await step(shop.lead, suggestion, "accept", version=1)
        status, body = await step(shop.lead, suggestion, "answer", version=1, words="好")
        assert (status, body["code"], body["data"]["allowed"]) == (409, "STATE_CONFLICT", ["decline", "answer"])

    @pytest.mark.parametrize("state", states_of(SUGGESTION))
    @pytest.mark.parametrize("trigger", TRIGGERS)
    @pytest.mark.parametrize("side", ["office", "raiser", "anybody"])
    def test_every_state_trigger_and_side_is_in_the_table_or_refused(self, state: str, trigger: str, side: str) -> None:
        if trigger in allowed_to(state, side):
            assert next_state(state, trigger, side) == SUGGESTION[state, trigger]
        else:
            with pytest.raises(StateConflict):
                next_state(state, trigger, side)
