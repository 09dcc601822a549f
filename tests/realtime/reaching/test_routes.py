"""Channels are set up and never tell their secrets, devices belong to their owners, gateways say later what became of it."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from identity.api import EVERYWHERE, Place, Role
from kernel import clock
from kernel.ids import public_id
from kernel.settings import get_settings
from realtime.reaching.api import Target
from realtime.reaching.gateways import SIGNED_WITHIN_S, signature
from tests.identity.conftest import House, bearer
from tests.realtime.reaching.receivers import GATEWAY_SECRET, Browser, gateway, push_service, receiver, wecom
from tests.realtime.reaching.test_sending import channel, deliveries, only, say, send_due, with_phone

DINGTALK = "https://oapi.dingtalk.com/robot/send?access_token=TOP-SECRET-TOKEN"


async def administrator(house: House, place: Place = EVERYWHERE) -> dict[str, str]:
    return bearer(await house.token(await house.person("管管", Role.SYSTEM_ADMIN, place)))


def robot(house: House, **changes: Any) -> dict[str, Any]:
    asked = {
        "kind": "dingtalk",
        "name": "值班群",
        "region": public_id("reg", house.city),
        "address": DINGTALK,
        "secret": "SECtop-secret-key",
    }
    return asked | changes


class TestChannels:
    async def test_what_is_secret_comes_in_and_never_goes_out(self, house: House, api: httpx.AsyncClient) -> None:
        who = await administrator(house)
        made = await api.post("/v1/reaching/channels", headers=who, json=robot(house))
        assert made.status_code == 201, made.text
        path = f"/v1/reaching/channels/{made.json()['id']}"
        changed = await api.patch(path, headers=who, json={"name": "新群", "secret": "SECanother-one"})
        listed = await api.get("/v1/reaching/channels", headers=who)
        assert changed.json()["name"] == "新群"
        assert listed.json()["data"][0]["address_hint"] == "oapi.dingtalk.com"
        async with house.db.session() as session:
            rows = (await session.execute(text("SELECT * FROM reach_channels"))).all()
            audited = (await session.execute(text("SELECT data FROM audit_log WHERE action LIKE 'reach%'"))).all()
        for said in (made.text, changed.text, listed.text, str(rows), str(audited)):
            assert "TOP-SECRET" not in said
            assert "top-secret-key" not in said
            assert "another-one" not in said

    async def test_it_is_an_administrators_business_and_only_of_their_region(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        elsewhere = await administrator(house, Place(region_id=house.other_city))
        nobody = bearer(await house.token(await house.person("生生")))
        await channel(house, "wecom", "http://127.0.0.1:9/?key=1", None)
        for who in (elsewhere, nobody):
            assert (await api.post("/v1/reaching/channels", headers=who, json=robot(house))).status_code == 403
        assert (await api.get("/v1/reaching/channels", headers=elsewhere)).json()["data"] == []
        assert (await api.get("/v1/reaching/channels", headers=nobody)).status_code == 403

    @pytest.mark.parametrize(
        "address",
        [
            "http://oapi.dingtalk.com/robot/send",
            "ftp://oapi.dingtalk.com/x",
            "https://user:pass@oapi.dingtalk.com/x",
            "https://[oops/robot",
            "http://10.0.0.7/robot",
        ],
    )
    async def test_only_https_goes_out(self, house: House, api: httpx.AsyncClient, address: str) -> None:
        who = await administrator(house)
        answer = await api.post("/v1/reaching/channels", headers=who, json=robot(house, address=address))
        assert (answer.status_code, answer.json()["code"]) == (422, "ADDRESS_NOT_ALLOWED")

    @pytest.mark.parametrize(
        "address",
        [
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://10.1.2.3/x",
            "https://169.254.169.254/latest",
            "http://127.0.0.1/x",
        ],
    )
    async def test_in_production_nothing_leads_inwards(
        self, house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        who = await administrator(house)
        monkeypatch.setattr(get_settings(), "production", True)
        monkeypatch.setattr(get_settings(), "secret_key", _Secret())
        answer = await api.post("/v1/reaching/channels", headers=who, json=robot(house, address=address))
        assert answer.json()["code"] == "ADDRESS_NOT_ALLOWED"
        monkeypatch.setattr(get_settings(), "webhook_networks", "10.1.0.0/16")
        allowed = await api.post(
            "/v1/reaching/channels", headers=who, json=robot(house, address="https://10.1.2.3/robot")
        )
        assert allowed.status_code == 201

    @pytest.mark.parametrize(
        "wrong", [{"secret": None}, {"kind": "wecom"}, {"kind": "sms", "team": "dty_" + "0" * 32}, {"kind": "fax"}]
    )
    async def test_what_does_not_fit_together_is_refused(
        self, house: House, api: httpx.AsyncClient, wrong: dict[str, Any]
    ) -> None:
        who = await administrator(house)
        answer = await api.post("/v1/reaching/channels", headers=who, json=robot(house, **wrong))
        assert answer.json()["code"] == "MALFORMED"

    async def test_a_robot_says_that_it_works_and_its_log_says_what_came_of_it(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        who = await administrator(house)
        async with receiver(wecom) as there:
            identifier = await channel(house, "wecom", f"{there.url}/?key=693a91f6", None)
            path = f"/v1/reaching/channels/{public_id('rch', identifier)}"
            assert (await api.post(f"{path}/ring", headers=who)).status_code == 202
            await send_due(house.db)
        (shown,) = (await api.get("/v1/reaching/channels", headers=who)).json()["data"]
        assert shown["proof"]["is_proved"]
        log = await api.get("/v1/reaching/deliveries", headers=who, params={"channel": shown["id"]})
        assert [row["state"] for row in log.json()["data"]] == ["sent"]
        # A new address is another way: what proved the old one proves nothing of it.
        changed = await api.patch(path, headers=who, json={"address": "https://qyapi.weixin.qq.com/?key=2"})
        assert not changed.json()["proof"]["is_proved"]
        off = await api.patch(path, headers=who, json={"is_enabled": False})
        assert off.json()["state"] == "disabled"
        assert (await api.post(f"{path}/ring", headers=who)).status_code == 422


class _Secret:
    """A secret key of production."""

    def get_secret_value(self) -> str:
        return "a-key-of-production-with-32-characters"


class TestDevices:
    async def test_a_browser_is_added_rung_shown_and_removed(self, house: House, api: httpx.AsyncClient) -> None:
        person = await house.person("推推")
        mine, browser = bearer(await house.token(person)), Browser()
        other = bearer(await house.token(await house.person("别别")))
        key = (await api.get("/v1/me/push_key", headers=mine)).json()["public_key"]
        async with receiver(push_service) as service:
            wanted = browser.subscription(f"{service.url}/there") | {"label": "安卓手机"}
            device = (await api.post("/v1/me/push_devices", headers=mine, json=wanted)).json()
            again = (await api.post("/v1/me/push_devices", headers=mine, json=wanted)).json()
            await say(house, Target(person_id=person))
            await send_due(house.db)
        assert again["id"] == device["id"]
        assert service.heard[0].headers["authorization"].endswith(f"k={key}")
        delivery = public_id("dlv", (await only(house)).id)
        assert (await api.post(f"/v1/me/deliveries/{delivery}/shown", headers=other)).status_code == 404
        assert (await api.post(f"/v1/me/deliveries/{delivery}/shown", headers=mine)).status_code == 204
        assert (await only(house)).shown_at is not None
        path = f"/v1/me/push_devices/{device['id']}"
        assert (await api.delete(path, headers=other)).status_code == 404
        assert (await api.delete(path, headers=mine)).status_code == 204
        assert (await api.get("/v1/me/push_devices", headers=mine)).json()["data"] == []

    async def test_a_browser_in_which_somebody_else_signs_in_is_theirs(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        one, other = [bearer(await house.token(await house.person(name))) for name in ("甲甲", "乙乙")]
        wanted = Browser().subscription("https://push.test/x") | {"label": "公用电脑"}
        for who in (one, other):
            assert (await api.post("/v1/me/push_devices", headers=who, json=wanted)).status_code == 201
        assert (await api.get("/v1/me/push_devices", headers=one)).json()["data"] == []
        assert len((await api.get("/v1/me/push_devices", headers=other)).json()["data"]) == 1

    async def test_keys_that_are_none_and_addresses_inwards_are_refused(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        who = bearer(await house.token(await house.person("推推")))
        wanted = Browser().subscription("https://push.test/x") | {"label": "x"}
        wrong_key = wanted | {"keys": wanted["keys"] | {"p256dh": "AAAAAAAAAAAA"}}
        assert (await api.post("/v1/me/push_devices", headers=who, json=wrong_key)).json()["code"] == "MALFORMED"
        inwards = wanted | {"endpoint": "http://10.0.0.1/push"}
        answer = await api.post("/v1/me/push_devices", headers=who, json=inwards)
        assert answer.json()["code"] == "ADDRESS_NOT_ALLOWED"

    async def test_ten_devices_are_enough(self, house: House, api: httpx.AsyncClient) -> None:
        who = bearer(await house.token(await house.person("推推")))
        answers = [
            await api.post(
                "/v1/me/push_devices",
                headers=who,
                json=Browser().subscription(f"https://push.test/{number}") | {"label": "x"},
            )
            for number in range(11)
        ]
        assert [answer.status_code for answer in answers] == [201] * 10 + [409]
        assert answers[-1].json()["code"] == "TOO_MANY_DEVICES"


class TestReceipts:
    async def sent(self, house: House) -> UUID:
        """One text message that the gateway has taken."""
        person = await with_phone(house, "13800001234")
        async with receiver(gateway) as sms:
            await channel(house, "sms", sms.url, GATEWAY_SECRET)
            await say(house, Target(person_id=person))
            await send_due(house.db)
        return (await only(house)).id

    async def receipt(
        self, api: httpx.AsyncClient, delivery: UUID, status: str, secret: str = GATEWAY_SECRET, late_s: int = 0
    ) -> httpx.Response:
        body = json.dumps({"delivery": public_id("dlv", delivery), "status": status, "reason": "空号"}).encode()
        at = int(clock.now().timestamp()) - late_s
        headers = {"Guanjia-Timestamp": str(at), "Guanjia-Signature": signature(secret, at, body)}
        return await api.post("/v1/reaching/receipts", content=body, headers=headers)

    async def test_the_gateway_says_that_it_arrived(self, house: House, api: httpx.AsyncClient) -> None:
        delivery = await self.sent(house)
        for _ in range(2):
            assert (await self.receipt(api, delivery, "delivered")).status_code == 204
        assert (await only(house)).state == "delivered"
        assert (await self.receipt(api, delivery, "failed")).json()["code"] == "STATE_CONFLICT"

    async def test_or_that_it_did_not_and_the_way_is_proved_no_more(self, house: House, api: httpx.AsyncClient) -> None:
        delivery = await self.sent(house)
        assert (await self.receipt(api, delivery, "failed")).status_code == 204
        assert ((await only(house)).state, (await only(house)).last_error) == ("failed", "空号")

    async def test_nobody_else_can_say_so(self, house: House, api: httpx.AsyncClient) -> None:
        delivery = await self.sent(house)
        forged = await self.receipt(api, delivery, "failed", secret="another-secret")
        stale = await self.receipt(api, delivery, "failed", late_s=SIGNED_WITHIN_S + 5)
        unknown = await self.receipt(api, UUID(int=7), "failed")
        for answer in (forged, stale, unknown):
            assert (answer.status_code, answer.json()["code"]) == (401, "BAD_RECEIPT")
        unread = await api.post("/v1/reaching/receipts", content=b"oops")
        assert unread.json()["code"] == "MALFORMED"
        assert [one.state for one in await deliveries(house)] == ["sent"]
