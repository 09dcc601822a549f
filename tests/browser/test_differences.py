"""A provider and our books disagree: finance writes down why, a second one approves, and it is settled before one's eyes."""

from uuid import uuid4

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.product import Product

ASKED_FEN = 4321


def paid_another_amount(product: Product) -> str:
    """A top-up of which the provider confirms a fen less; its name."""
    body, headers = {"amount_fen": ASKED_FEN, "channel": "alipay"}, {"Idempotency-Key": uuid4().hex}
    top_up = product.diner(38).http.post("/v1/me/top_ups", json=body, headers=headers).json()
    paid = {"qr_text": top_up["qr_text"], "amount_fen": ASKED_FEN - 1, "order": "notify_first"}
    httpx.post(f"{product.card['simulators']['alipay']}/pay", json=paid).raise_for_status()
    identifier: str = top_up["id"]
    return identifier


def office(new_page: NewPage, product: Product, number: int, address: str) -> Page:
    """One of the two people of finance, at a place."""
    login = [each for each in product.card["staff"] if "finance" in each["roles"]][number]
    page = new_page(DESK)
    page.goto(address)
    sign_in(page, login["username"], login["password"])
    return page


def test_money_for_nobody_goes_back_by_two_people(new_page: NewPage, product: Product) -> None:
    order = paid_another_amount(product)
    one = office(new_page, product, 0, "/admin/differences")
    case = one.locator("[data-testid=difference]").filter(has_text=order)
    expect(case).to_contain_text("金额不符")
    expect(case).to_contain_text("43.20")
    case.get_by_role("button", name="原路退回").click()
    dialog = one.get_by_role("dialog")
    dialog.get_by_role("button", name="请另一位批准").click()
    expect(dialog).to_contain_text("请写明原因")
    dialog.locator("textarea").fill("客户少付一分，退回重付")
    assert serious(one) == []
    dialog.get_by_role("button", name="请另一位批准").click()
    expect(case).to_contain_text("等另一位财务人员批准")
    expect(case.get_by_role("button")).to_have_count(0)

    other = office(new_page, product, 1, "/admin/approvals")
    approval = other.locator("[data-testid=approval]").filter(has_text=order)
    expect(approval).to_contain_text("43.20")
    approval.get_by_role("button", name="批准").click()
    expect(approval).to_have_count(0)

    one.reload()
    expect(case).to_have_count(0)
    one.get_by_text("全部", exact=True).click()
    expect(case).to_contain_text("已原路退回")
    expect(case).to_contain_text("客户少付一分，退回重付")
    assert fits(one)
