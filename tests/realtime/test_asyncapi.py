"""The AsyncAPI document: it keeps to the standard, its references lead somewhere, and what is heard is as it says."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from pydantic_asyncapi.v3 import AsyncAPI

from app.catalogues import asyncapi_json
from kernel import clock, outbox
from kernel.db import Database
from kernel.events import event_classes
from payments.events import TopUpSucceeded
from tests.identity.conftest import House
from tests.realtime.stories import Web, staff, subscribed


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(asyncapi_json())
    return made


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if isinstance(part.get("$ref"), str) else [])
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_it_keeps_to_the_standard(document: dict[str, Any]) -> None:
    read = AsyncAPI.model_validate(document)
    assert read.asyncapi == "3.0.0"
    assert set(read.operations or {}) == {"say", "hear"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(references(document)):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def test_every_event_of_the_house_is_heard_and_nothing_that_clients_say(document: dict[str, Any]) -> None:
    hears = {each["$ref"].rpartition("/")[2] for each in document["operations"]["hear"]["messages"]}
    says = {each["$ref"].rpartition("/")[2] for each in document["operations"]["say"]["messages"]}
    of_the_house = {name for name in event_classes() if not name.startswith("test.")}
    assert of_the_house <= hears
    assert {"auth", "subscribe", "unsubscribe", "ping"} <= says
    assert not says & hears


@pytest.mark.usefixtures("relay")
async def test_a_frame_from_the_socket_is_as_the_document_says(
    document: dict[str, Any], db: Database, web: Web, house: House
) -> None:
    wang = await staff(house, "王小明")
    async with web.client(wang.token) as client:
        await subscribed(client, "me")
        async with db.session() as session:
            at = clock.rfc3339(clock.now())
            outbox.publish(
                session,
                TopUpSucceeded(
                    happened_at=at, top_up="top_1", person=wang.person, channel="alipay", amount_fen=5, purses={}
                ),
            )
        frame = json.loads(await client.socket.recv())
    message = document["components"]["messages"][frame["type"]]
    schema = {**message["payload"], "components": document["components"]}
    jsonschema_rs.validate(schema, frame)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, frame | {"position": "one"})
