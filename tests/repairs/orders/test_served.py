"""On whose behalf something is raised: colleagues are found by a part of their name, others are not leafed through."""

from identity.api import Role
from repairs.orders.served import LOOKS
from tests.repairs.orders.workshop import Somebody, Workshop


async def names(who: Somebody, q: str) -> list[str]:
    answer = await who.http.get("/v1/repair_people", params={"q": q})
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


async def test_colleagues_by_a_part_of_the_name_others_by_the_whole_of_it(shop: Workshop) -> None:
    await shop.house.person("周明远", organisation=shop.house.university)

    assert await names(shop.wang, "zhou") == ["周明"]
    assert await names(shop.wang, "周明") == ["周明"]
    assert await names(shop.wang, "周明远") == ["周明远"]
    assert await names(shop.wang, "王芳") == []


async def test_whom_it_finds_may_be_named_and_confirms(shop: Workshop) -> None:
    (found,) = (await shop.wang.http.get("/v1/repair_people", params={"q": "zm"})).json()["data"]
    assert set(found) == {"id", "name", "organisation_name_zh", "organisation_name_en"}
    order = await shop.raised(served=found["id"])
    assert [party["name"] for party in order["served"]] == ["周明"]


async def test_who_leads_finds_all_whom_the_role_reaches_and_nobody_beyond(shop: Workshop) -> None:
    everywhere = await shop.house.person("总调度", Role.DISPATCHER)
    lead = Somebody(everywhere, shop.guest)
    shop.guest.headers["Authorization"] = f"Bearer {await shop.house.token(everywhere)}"

    assert await names(lead, "wai") == ["外人"]
    assert await names(shop.lead, "wai") == []
    assert await names(shop.lead, "外人") == ["外人"]


async def test_one_letter_nobody_and_a_list_of_the_house_is_stopped(shop: Workshop) -> None:
    assert (await shop.wang.http.get("/v1/repair_people", params={"q": " z "})).status_code == 422
    assert (await shop.guest.get("/v1/repair_people", params={"q": "zhou"})).status_code == 401
    codes = [
        (await shop.wang.http.get("/v1/repair_people", params={"q": "zhou"})).status_code
        for _ in range(LOOKS.allowed + 1)
    ]
    assert (codes[:-1], codes[-1]) == ([200] * LOOKS.allowed, 429)
    assert await names(shop.zhou, "wang") == ["王芳"]
