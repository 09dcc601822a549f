"""Finance at month's end: from who owes whom down to the single meal, on one page, by its address."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, choose, sign_in
from tests.browser.looking import fits, serious
from tests.product import Json, Product


class TestTheMonth:
    def test_every_figure_opens_down_to_its_meals_and_back_goes_back(self, new_page: NewPage, product: Product) -> None:
        page = new_page(DESK)
        finance = next(person for person in product.card["staff"] if person["roles"] == ["finance"])
        page.goto("/admin/settlement")
        sign_in(page, finance["username"], finance["password"])
        expect(page.locator("[data-testid=month]").first).to_be_visible()
        expect(page.locator("[data-testid=positions]")).to_be_visible()
        # A month that began less than four weeks ago has no month before it in the demo: then nobody owes anybody.
        if page.locator("[data-testid=flows]").count():
            page.get_by_role("group").get_by_text("轧差后").click()
            assert serious(page) == []
            page.locator("[data-testid=net-position]").first.click()
        else:
            page.locator("[data-testid=month]").first.click()
        part = page.locator("[data-testid=month-part]")
        expect(part).to_contain_text("发对账单")
        part.get_by_role("button", name="食堂").click()
        page.locator("[data-testid=statement]").first.click()
        page.locator("[data-testid=line-day]").first.click()
        expect(page.locator("[data-testid=meals] tbody tr").first).to_contain_text("¥")
        assert serious(page) == []
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert fits(page)

        page.go_back()
        expect(page.locator("[data-testid=line-day]").first).to_be_visible()
        with page.expect_download() as fetched:
            page.locator("[data-testid=download-csv]").click()
        assert fetched.value.suggested_filename.endswith(".csv")


def month_with(product: Product, kind: str) -> Json:
    """A statement file of a month that moved: of a canteen, say, or of two regions."""
    http = product.staff("finance")
    months = sorted(http.get("/v1/settlements", params={"limit": 100}).json()["data"], key=lambda each: each["period"])
    for month in months:
        told = {"region": month["region"]["id"], "period": month["period"]}
        for file in http.get("/v1/statement_files", params=told).json()["data"]:
            if file["kind"] == kind:
                found: Json = file
                return found
    raise AssertionError(f"no month of the demo has a statement of a {kind}")


def office(new_page: NewPage, product: Product, address: str, *, number: int = 0) -> Page:
    page = new_page(DESK)
    finance = [person for person in product.card["staff"] if person["roles"] == ["finance"]][number]
    page.goto(address)
    sign_in(page, finance["username"], finance["password"])
    return page


class TestVouchers:
    def test_wait_for_each_account_that_the_chart_has_no_place_for(self, new_page: NewPage, product: Product) -> None:
        file = month_with(product, "canteen")
        where = f"region={file['region']['id']}&period={file['period']}&kind=canteen&owner={file['subject']['id']}"
        page = office(new_page, product, f"/admin/settlement?part=vouchers&{where}")
        holes = page.get_by_test_id("holes")
        expect(holes).to_contain_text("没有对应科目")
        expect(holes).to_contain_text(f"应付食堂 · {file['subject']['name_zh']}")
        expect(page.get_by_test_id("vouchers-csv")).to_be_disabled()

        rows = page.get_by_test_id("mapping-row")
        expect(rows.first).to_be_visible()
        count = rows.count()
        rows.first.get_by_role("textbox").first.fill("9001")
        page.get_by_role("button", name="保存").click()
        expect(page.get_by_test_id("vouchers")).to_contain_text("每一行都要有科目代码和科目名称")
        for number in range(count):
            code, name = rows.nth(number).get_by_role("textbox").all()
            code.fill(f"900{number}")
            name.fill(f"科目{number}")
        assert serious(page) == []
        page.get_by_role("button", name="保存").click()
        expect(holes).to_contain_text("可以出凭证")
        expect(page.get_by_test_id("vouchers")).to_contain_text("第 1 版")

        with page.expect_download() as fetched:
            page.get_by_test_id("vouchers-csv").click()
        assert fetched.value.suggested_filename.endswith(f"{file['period']}.csv")
        assert "科目0" in fetched.value.path().read_text(encoding="utf-8-sig")
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert fits(page)


class TestAnotherPlatform:
    def test_is_believed_by_two_people_and_its_file_is_compared(
        self, new_page: NewPage, product: Product, tmp_path: Path
    ) -> None:
        # The other one is this very product: its own root key, and its own book of the other region.
        file = month_with(product, "region_pair")
        theirs, ours = file["region"], file["subject"]
        page = office(new_page, product, "/admin/settlement?part=partners")
        key = page.get_by_test_id("root-key").inner_text()
        page.get_by_role("button", name="登记对方平台").click()
        dialog = page.get_by_role("dialog")
        choose(page, dialog.get_by_role("combobox", name="对方的地区"), theirs["name_zh"])
        dialog.locator("input[name=root_key]").fill("too short")
        dialog.locator("input[name=reason]").fill("电话里核对过")
        dialog.get_by_role("button", name="保存").click()
        expect(dialog).to_contain_text("44 个字符")
        dialog.locator("input[name=root_key]").fill(key)
        assert serious(page) == []
        dialog.get_by_role("button", name="保存").click()
        expect(page.get_by_text("等另一个人批准")).to_be_visible()

        other = office(new_page, product, "/admin/approvals", number=1)
        approval = other.locator("[data-testid=approval]").filter(has_text="电话里核对过")
        approval.get_by_role("button", name="批准").click()
        expect(approval).to_have_count(0)

        page.reload()
        choose(page, page.get_by_role("combobox", name="地区"), ours["name_zh"])
        lines, signature = (fetch(product, file, form, tmp_path) for form in ("lines", "sig"))
        page.get_by_role("button", name="导入对方文件").click()
        dialog.get_by_role("button", name="导入对方文件").click()
        expect(dialog).to_contain_text("两个文件都要选")
        dialog.locator("input[name=lines]").set_input_files(changed(lines, tmp_path))
        dialog.locator("input[name=signature]").set_input_files(signature)
        dialog.get_by_role("button", name="导入对方文件").click()
        expect(dialog).to_contain_text("不予采信")
        dialog.locator("input[name=lines]").set_input_files(lines)
        dialog.get_by_role("button", name="导入对方文件").click()

        card = page.get_by_test_id("partner-statement")
        expect(card).to_contain_text(f"{theirs['name_zh']} · {file['period']}")
        expect(card).to_contain_text("¥")
        expect(card).not_to_contain_text("不一致")
        assert serious(page) == []


class TestALockedMonth:
    def test_is_corrected_by_vouchers_only(self, new_page: NewPage, product: Product) -> None:
        month = locked_month(product)
        page = office(new_page, product, f"/admin/settlement?period={month['period']}&month={month['id']}")
        part = page.get_by_test_id("adjustments")
        expect(part).to_contain_text("锁账后还没有更正过")
        part.get_by_role("button", name="写调整凭证").click()
        dialog = page.get_by_role("dialog")
        dialog.locator("input[name=original]").fill("第三笔")
        dialog.locator("input[name=amount]").fill("2.00")
        dialog.locator("input[name=reason]").fill("多收两元")
        dialog.get_by_role("button", name="保存").click()
        expect(dialog.get_by_role("alert")).to_contain_text("pay_")
        assert serious(page) == []
        # A payment of another month is no original of this one, and the server says so.
        dialog.locator("input[name=original]").fill(a_payment(product))
        dialog.get_by_role("button", name="保存").click()
        expect(dialog.get_by_role("alert")).to_contain_text(re.compile("req_|[A-Z_]{6,}"))
        expect(part).to_contain_text("锁账后还没有更正过")


def locked_month(product: Product) -> Json:
    """A month long before the demo, in which nobody ate: through all its states, by the two people that it takes."""
    one, two = (product.client(product.token_of(name)) for name in ("finance", "finance2"))
    region = one.get("/v1/regions").json()["data"][0]["id"]
    month: Json = one.post("/v1/settlements", json={"region": region, "period": "2025-02"}).json()
    steps = ("cut_off", "reconcile", "send_statement", "confirm", "net", "settle", "lock")
    for trigger in steps:
        answer = (two if trigger == "confirm" else one).post(f"/v1/settlements/{month['id']}/{trigger}")
        assert answer.status_code == 200, answer.text
    return month


def a_payment(product: Product) -> str:
    """Some payment of the demo."""
    paid: str = product.diner(38).http.get("/v1/me/payments").json()["data"][0]["id"]
    return paid


def fetch(product: Product, file: Json, form: str, folder: Path) -> Path:
    """A statement's file, under the server's own name for it."""
    answer = product.staff("finance").get(f"{file['path']}&form={form}")
    assert answer.status_code == 200, answer.text
    name: str = re.findall('filename="(.+)"', answer.headers["content-disposition"])[0]
    path = folder / name
    path.write_bytes(answer.content)
    return path


def changed(file: Path, folder: Path) -> Path:
    """The same file with one digit of its sum changed."""
    copy = folder / f"changed-{file.name}"
    copy.write_bytes(re.sub(rb"(\nend,\d+,)", rb"\g<1>9", file.read_bytes()))
    assert copy.read_bytes() != file.read_bytes()
    return copy


class TestBankAccounts:
    def test_are_entered_for_each_party_and_shown_by_their_last_digits(
        self, new_page: NewPage, product: Product
    ) -> None:
        page = office(new_page, product, "/admin/settlement?part=accounts")
        row = page.get_by_test_id("accounts").locator("tbody tr").first
        row.get_by_role("button").click()
        dialog = page.get_by_role("dialog")
        dialog.locator("input[name=account_name]").fill("宁波市机关事务中心")
        dialog.locator("input[name=account_number]").fill("3301 0000 8765 4321")
        dialog.locator("input[name=bank_name]").fill("中国银行")
        dialog.locator("input[name=bank_number]").fill("1043")
        dialog.get_by_role("button", name="保存").click()
        expect(dialog).to_contain_text("正好 12 位数字")
        dialog.locator("input[name=bank_number]").fill("104332000015")
        assert serious(page) == []
        dialog.get_by_role("button", name="保存").click()
        expect(row).to_contain_text("···· 4321")

        page.reload()
        expect(row).to_contain_text("宁波市机关事务中心")
        expect(row).to_contain_text("···· 4321")
