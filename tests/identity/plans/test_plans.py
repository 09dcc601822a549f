"""A plan is hung and drawn on, and leads people from one place to another."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import networkx as nx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import identity.plans.routes
import identity.routes
from identity.api import NewPlace, Place, Role, may_read_plan, open_place
from identity.plans.ways import Step, shortest
from kernel.db import Database
from kernel.files import register_file_reader
from kernel.http import RequestIds, install_error_handlers
from kernel.ids import public_id, uuid7
from kernel.settings import get_settings
from tests.identity.conftest import House, bearer, house

__all__ = ["house"]
Json = dict[str, Any]


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 200), "#FAF8F3").save(buffer, "PNG")
    return buffer.getvalue()


class Building:
    """Two storeys of 40 by 20 metres, a draughtswoman, and somebody who looks for a room."""

    def __init__(self, http: httpx.AsyncClient, office: Json, guest: Json, places: dict[str, str]) -> None:
        self.http, self.office, self.guest, self.places = http, office, guest, places

    async def plan(self, storey: str) -> Json:
        file = (await self.http.post("/v1/files", content=picture(), headers=self.office)).json()["id"]
        body = {"place": self.places[storey], "file": file, "metres_wide": 40}
        answer = await self.http.post("/v1/plans", json=body, headers=self.office)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    def graph(self, plan: Json, storey: int, **more: Any) -> Json:
        """A lift in the west, a room in the east, and the corridor between them."""
        points = [
            {"key": "lift", "x": 0.1, "y": 0.5, "kind": "lift", "label": "1 号电梯"},
            {"key": "stairs", "x": 0.5, "y": 0.5, "kind": "stairs"},
            {"key": "door", "x": 0.9, "y": 0.5, "kind": "door", "place": self.places[f"room {storey}"]},
        ]
        edges = [{"start": "lift", "end": "stairs"}, {"start": "stairs", "end": "door"}]
        return {"version": plan["version"], "points": points, "edges": edges, **more}

    async def draw(self, plan: Json, body: Json) -> httpx.Response:
        return await self.http.put(f"/v1/plans/{plan['id']}/graph", json=body, headers=self.office)

    async def way(self, start: str, end: str, **more: Any) -> httpx.Response:
        query = {"from": self.places[start], "to": self.places[end], **more}
        return await self.http.get("/v1/routes", params=query, headers=self.guest)

    async def two_storeys(self) -> tuple[Json, Json]:
        """Joined by stairs and, the longer way, by a lift."""
        first, second = await self.plan("storey 1"), await self.plan("storey 2")
        first = (await self.draw(first, self.graph(first, 1))).json()
        links = [
            {"start": "lift", "plan": first["id"], "end": "lift", "metres": 20},
            {"start": "stairs", "plan": first["id"], "end": "stairs", "metres": 12, "step_free": False},
        ]
        second = (await self.draw(second, self.graph(second, 2, links=links))).json()
        return first, second


@pytest.fixture
async def building(
    db: Database, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Building]:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    register_file_reader("plan", may_read_plan)
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    for router in (identity.routes.router, identity.plans.routes.router):
        app.include_router(router)
    app.state.database = db
    names = ["building", "storey 1", "storey 2", "room 1", "room 2", "cellar"]
    kinds = ["building", "storey", "storey", "room", "room", "room"]
    parents = [None, "building", "building", "storey 1", "storey 2", "storey 2"]
    places: dict[str, Any] = {}
    async with db.session() as session:
        for name, kind, parent in zip(names, kinds, parents, strict=True):
            new = NewPlace(code=name.replace(" ", "-"), kind=kind, name_zh=name)
            where: Json = {"parent_id": places[parent]} if parent else {"site_id": house.canteen}
            places[name] = (await open_place(session, new, **where, actor="system")).id
    office = await house.person("陈静", Role.DISPATCHER, Place(region_id=house.city))
    tokens = [bearer(await house.token(each)) for each in (office, await house.person("客人"))]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://plans") as http:
        yield Building(http, tokens[0], tokens[1], {name: public_id("pla", place) for name, place in places.items()})


class TestWalking:
    async def test_leads_over_the_stairs_from_plan_to_plan(self, building: Building) -> None:
        first, second = await building.two_storeys()

        way = (await building.way("room 1", "room 2")).json()

        # Sixteen metres to the stairs, twelve up, sixteen to the door.
        assert (way["metres"], way["minutes"]) == (44, 1)
        assert [(leg["plan"]["id"], [point["key"] for point in leg["points"]]) for leg in way["legs"]] == [
            (first["id"], ["door", "stairs"]),
            (second["id"], ["stairs", "door"]),
        ]

    async def test_takes_the_lift_without_a_step(self, building: Building) -> None:
        await building.two_storeys()

        way = (await building.way("room 1", "room 2", step_free=True)).json()

        assert way["metres"] == 32 + 20 + 32
        assert [point["key"] for point in way["legs"][0]["points"]] == ["door", "stairs", "lift"]

    async def test_where_nothing_leads_is_told(self, building: Building) -> None:
        first = await building.plan("storey 1")
        assert (await building.way("room 1", "room 2")).json()["data"] == {"reason": "from"}
        await building.draw(first, building.graph(first, 1))
        assert (await building.way("room 1", "room 2")).json()["data"] == {"reason": "to"}
        second = await building.plan("storey 2")
        await building.draw(second, building.graph(second, 2))
        refused = await building.way("room 1", "room 2")
        assert (refused.status_code, refused.json()["code"], refused.json()["data"]) == (
            409,
            "NO_WAY",
            {"reason": "apart"},
        )

    async def test_who_is_there_already_has_no_way_to_go(self, building: Building) -> None:
        await building.two_storeys()
        way = (await building.way("room 1", "room 1")).json()
        assert (way["metres"], len(way["legs"])) == (0, 1)


class TestDrawing:
    async def test_what_is_drawn_anew_is_all_there_is_and_links_are_seen_from_both_ends(
        self, building: Building
    ) -> None:
        first, second = await building.two_storeys()
        assert (await building.draw(first, building.graph(first, 1))).status_code == 200

        body = building.graph(first, 1) | {"version": first["version"] + 1}
        links = [{"start": "lift", "plan": second["id"], "end": "lift", "metres": 20}]
        drawn = (await building.draw(first, body | {"links": links})).json()

        assert [(link["start"], link["plan"], link["end"]) for link in drawn["links"]] == [
            ("lift", second["id"], "lift")
        ]
        assert drawn["edges"] == [
            {"start": "door", "end": "stairs", "metres": 16.0, "step_free": True},
            {"start": "lift", "end": "stairs", "metres": 16.0, "step_free": True},
        ]
        other = await building.http.get(f"/v1/plans/{second['id']}", headers=building.guest)
        assert [(link["start"], link["plan"]) for link in other.json()["links"]] == [("lift", first["id"])]

    async def test_of_two_who_draw_the_second_is_told(self, building: Building) -> None:
        plan = await building.plan("storey 1")
        body = building.graph(plan, 1)
        assert (await building.draw(plan, body)).status_code == 200
        assert (await building.draw(plan, body)).json()["code"] == "STATE_CONFLICT"

    async def test_another_scale_makes_every_way_longer(self, building: Building) -> None:
        plan = await building.plan("storey 1")
        await building.draw(plan, building.graph(plan, 1))
        url = f"/v1/plans/{plan['id']}"
        changed = await building.http.patch(url, json={"metres_wide": 80}, headers=building.office)
        assert [edge["metres"] for edge in changed.json()["edges"]] == [32.0, 32.0]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"points": [{"key": "a", "x": 2, "y": 0}]},
            {"points": [{"key": "a", "x": 0, "y": 0}] * 2},
            {"edges": [{"start": "lift", "end": "nowhere"}]},
            {"edges": [{"start": "lift", "end": "lift"}]},
            {"points": [{"key": "a", "x": "NaN", "y": 0}]},
        ],
    )
    async def test_what_cannot_be_drawn_is_422(self, building: Building, wrong: Json) -> None:
        plan = await building.plan("storey 1")
        assert (await building.draw(plan, building.graph(plan, 1) | wrong)).status_code == 422
        shown = await building.http.get(f"/v1/plans/{plan['id']}", headers=building.guest)
        assert (shown.json()["points"], shown.json()["version"]) == ([], 1)

    async def test_a_point_is_of_a_place_that_the_plan_shows(self, building: Building) -> None:
        plan = await building.plan("storey 1")
        assert (await building.draw(plan, building.graph(plan, 2))).status_code == 422


class TestHanging:
    async def test_a_place_has_one_and_everybody_may_look_at_it(self, building: Building) -> None:
        plan = await building.plan("storey 1")
        body = {"place": building.places["storey 1"], "file": plan["file"], "metres_wide": 40}
        assert (await building.http.post("/v1/plans", json=body, headers=building.guest)).status_code == 403
        again = await building.http.post("/v1/plans", json=body, headers=building.office)
        assert (again.status_code, again.json()["data"]) == (409, {"plan": plan["id"]})

        query = {"place": building.places["building"]}
        listed = await building.http.get("/v1/plans", params=query, headers=building.guest)
        assert [each["id"] for each in listed.json()["data"]] == [plan["id"]]
        assert (await building.http.get(f"/v1/files/{plan['file']}", headers=building.guest)).status_code == 200

    async def test_a_retired_one_leads_nobody(self, building: Building) -> None:
        first, _ = await building.two_storeys()
        await building.http.post(f"/v1/plans/{first['id']}/retire", headers=building.office)
        assert (await building.way("room 1", "room 2")).json()["data"] == {"reason": "from"}
        await building.plan("storey 1")


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 50), st.booleans()), max_size=20),
    st.booleans(),
)
def test_no_drawn_way_is_shorter(drawn: list[tuple[int, int, int, bool]], step_free: bool) -> None:
    """Against every simple way there is."""
    ids = [uuid7() for _ in range(7)]
    steps = [Step(ids[a], ids[b], float(metres), free) for a, b, metres, free in drawn if a != b]
    found = shortest(steps, [ids[0]], [ids[6]], step_free=step_free)

    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(ids)
    for step in steps:
        if step.step_free or not step_free:
            graph.add_edge(step.start, step.end, metres=step.metres)
    ways = list(nx.all_simple_paths(graph, ids[0], ids[6]))
    lengths = [nx.path_weight(graph, way, "metres") for way in ways]
    assert (found is None) == (not ways)
    if found is not None:
        assert found.metres == min(lengths) == nx.path_weight(graph, list(found.points), "metres")
