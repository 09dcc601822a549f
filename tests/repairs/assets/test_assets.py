"""Machines with labels: kept by those who lead, printed as PDF, and read back by a scan that opens the form."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from kernel.settings import get_settings
from tests.identity.conftest import House, house
from tests.pdf import pictures_of
from tests.repairs.orders.workshop import Json, Workshop, open_workshop

__all__ = ["house"]


@pytest.fixture
async def shop(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workshop]:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    async with open_workshop(house) as opened:
        yield opened


async def opened(shop: Workshop, code: str = "KT-1", place: str = "lobby") -> Json:
    body = {"place": shop.place(place), "code": code, "name_zh": "空调", "name_en": "Air conditioner"}
    answer = await shop.lead.post("repair_assets", **body, category=shop.categories["pipe"])
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def scanned(page: Image.Image) -> str:
    (code,) = zxingcpp.read_barcodes(page)
    return code.text.rpartition("/")[2]


async def test_a_printed_label_opens_the_form_of_that_machine(shop: Workshop) -> None:
    asset = await opened(shop)
    pdf = await shop.lead.http.get(f"/v1/repair_assets/labels?asset={asset['id']}&layout=sheet")
    letters = scanned(pictures_of(pdf.content)[0])
    assert letters == asset["label"]

    form = (await shop.guest.get(f"/v1/repair_forms/{letters}")).json()

    assert (form["asset"]["code"], form["category"]) == ("KT-1", shop.categories["pipe"])
    order = await shop.wang.post("work_orders", place_code=f"https://x/repair/{letters}", words="不制冷")
    assert (order.json()["asset"]["code"], order.json()["category"]["id"]) == ("KT-1", shop.categories["pipe"])
    assert [twin["id"] for twin in (await shop.guest.get(f"/v1/repair_forms/{letters}")).json()["open"]] == [
        order.json()["id"]
    ]


async def test_a_new_label_and_retirement_end_the_old_one(shop: Workshop) -> None:
    asset = await opened(shop)
    renewed = (await shop.lead.post(f"repair_assets/{asset['id']}/replace_label")).json()
    codes = [asset["label"], renewed["label"]]
    assert [(await shop.guest.get(f"/v1/repair_forms/{code}")).status_code for code in codes] == [409, 200]
    await shop.lead.post(f"repair_assets/{asset['id']}/retire")
    assert (await shop.guest.get(f"/v1/repair_forms/{codes[1]}")).status_code == 409


async def test_only_those_who_lead_keep_them_and_a_code_is_one_s_own(shop: Workshop) -> None:
    asset = await opened(shop)
    body = {"place": shop.place("lobby"), "code": "KT-1", "name_zh": "空调", "name_en": "Again"}
    assert (await shop.lead.post("repair_assets", **body)).json()["code"] == "ASSET_CODE_TAKEN"
    assert (await shop.wang.post("repair_assets", **{**body, "code": "KT-2"})).status_code == 403
    changed = await shop.lead.http.patch(f"/v1/repair_assets/{asset['id']}", json={"model": "GREE"})
    assert (changed.json()["model"], changed.json()["category"]) == ("GREE", shop.categories["pipe"])
    found = (await shop.wang.http.get(f"/v1/repair_assets?below={shop.place('tower')}&q=kt")).json()["data"]
    assert [(row["code"], row["label"]) for row in found] == [("KT-1", None)]
