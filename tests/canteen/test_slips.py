"""Slips and hand-over sheets, as the bytes that a printer gets."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from canteen.slips import COLUMNS, SheetData, SlipData, hand_over_sheet, slip, width_of
from kernel.ids import public_id
from kernel.settings import get_settings
from tests.canteen.test_a_lunch_paid import counter as counter  # noqa: PLC0414  a fixture that this file uses too
from tests.canteen.test_shifts import Desk, refused
from tests.canteen.test_shifts import desk as desk  # noqa: PLC0414  as above

PAPER = SlipData(
    canteen="西湖食堂",
    till="1号机",
    cashier="沈秋月",
    time="2026-11-23 12:05:09",
    business_date="2026-11-23",
    meal="lunch",
    items=(("东坡肉", 1, 1500), ("一道名字非常非常长的时令素菜拼盘", 2, 150)),
    amount_fen=1800,
    legs=(("subsidy", 1600), ("cash", 200)),
    status="succeeded",
    number="pay_0199",
)


def lines_of(data: bytes) -> list[str]:
    """What is read on the paper: commands taken out."""
    commands = re.compile(rb"\x1b@|\x1c[&.]|\x1b[!aEd-].|\x1dV.|\x1d!.", re.DOTALL)
    return commands.sub(b"", data).decode("gb18030").splitlines()


class TestASlip:
    def test_reads_as_a_receipt_and_fits_the_paper(self) -> None:
        data = slip(PAPER)
        lines = lines_of(data)

        assert data.startswith(b"\x1b@\x1c&")
        assert data.endswith(b"\x1dV\x00")
        assert all(width_of(line) <= COLUMNS for line in lines)
        assert lines[0] == "西湖食堂"
        assert "餐别                        午餐" in lines
        assert "东坡肉 x1                  15.00" in lines
        # A name that leaves no room for its figures has them below it.
        name = lines.index("一道名字非常非常长的时令素菜拼盘")
        assert lines[name + 1].split() == ["x2", "3.00"]
        assert "CNY                        18.00" in lines
        assert "补贴                       16.00" in lines
        assert "现金                        2.00" in lines
        assert "收银员                    沈秋月" in lines

    def test_of_a_voided_payment_says_so_first(self) -> None:
        assert "*** 已撤销 ***" in lines_of(slip(replace(PAPER, status="voided")))

    def test_in_english_has_no_chinese_beside_the_names(self) -> None:
        english = replace(PAPER, canteen="West Lake Canteen", till="Till 1", cashier=None, items=())
        lines = lines_of(slip(english, language="en"))

        assert "Meal                       lunch" in lines
        assert not re.search(r"[\u4e00-\u9fff]", "".join(lines))

    def test_of_a_wide_printer_is_as_wide_as_its_paper(self) -> None:
        widths = {width_of(line) for line in lines_of(slip(PAPER, columns=48))}

        assert max(widths) == 48


@pytest.mark.parametrize(("ties", "sentence"), [(True, "账实一致"), (False, "与账簿不符，请报财务")])
def test_a_hand_over_sheet_says_whether_it_ties(ties: bool, sentence: str) -> None:
    sheet = {
        "count": 3,
        "sales_fen": 4300,
        "returned_fen": 1800,
        "net_fen": 2500,
        "purses": [{"purse": "cash", "sales_fen": 4300, "returned_fen": 1800, "net_fen": 2500}],
        "meals": [{"business_date": "2026-11-23", "meal": "lunch", "count": 3, "amount_fen": 4300}],
        "guests": {"count": 2, "amount_fen": 3000},
        "voids": {"count": 1, "amount_fen": 1800},
        "refunds": {"count": 0, "amount_fen": 0},
        "refusals": [{"code": "DENY_CODE_USED", "count": 2}],
        "ledger": {"sales_fen": 4300, "returned_fen": 1800},
        "ties": ties,
    }
    names = ("西湖食堂", "1号机", "沈秋月", "2026-11-23", "2026-11-23 10:00:00", "2026-11-23 14:00:00", "程海宁")
    lines = lines_of(hand_over_sheet(SheetData(*names, sheet, "shf_0199")))

    assert all(width_of(line) <= COLUMNS for line in lines)
    assert "撤销 x1                   -18.00" in lines
    assert "  访客 x2                  30.00" in lines
    assert "实收                       25.00" in lines
    assert "拒付                           2" in lines
    assert sentence in lines
    assert any("交班签字" in line for line in lines)


@asynccontextmanager
async def paper_roll() -> AsyncIterator[tuple[str, "asyncio.Queue[bytes]"]]:
    """A printer of the network: what it was sent, print by print."""
    prints: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        prints.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", prints


class TestPrinting:
    async def test_at_the_tills_own_printer(self, desk: Desk) -> None:
        town = desk.town
        sold = await desk.sell(await desk.counter.person())
        till = public_id("ter", desk.counter.terminal.id)
        path = f"/v1/payments/{sold['id']}/slip"
        refused(await desk.till("POST", path), 409, "NO_PRINTER")
        async with paper_roll() as (address, prints):
            body = {"address": address, "columns": 48}
            admin = await town.administrator()
            set_to = await desk.http.put(f"/v1/terminals/{till}/printer", json=body, headers=admin)
            assert set_to.json() == {"terminal": till, **body}
            assert (await desk.till("POST", path)).json() == {"printed": True}
            await desk.begin()
            shift = await desk.hand_over()
            assert (await desk.till("POST", f"/v1/shifts/{shift['id']}/sheet")).status_code == 200
            async with asyncio.timeout(5):
                printed = [await prints.get(), await prints.get()]
        assert "西湖食堂" in lines_of(printed[0])
        assert "账实一致" in lines_of(printed[1])
        refused(await desk.till("POST", path), 503, "PRINTER_SILENT")

    async def test_at_the_houses_printer_where_a_till_has_none(
        self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = tmp_path / "lp0"
        monkeypatch.setattr(get_settings(), "slip_printer", f"file://{device}")
        sold = await desk.sell(await desk.counter.person())

        assert (await desk.till("POST", f"/v1/payments/{sold['id']}/slip")).status_code == 200

        assert "CNY                        18.00" in lines_of(device.read_bytes())

    async def test_the_bytes_are_there_for_a_till_that_prints_itself(self, desk: Desk) -> None:
        await desk.begin()
        sold = await desk.sell(await desk.counter.person())

        answer = await desk.till("GET", f"/v1/payments/{sold['id']}/slip")

        assert answer.headers["content-type"] == "application/octet-stream"
        assert "收银员                    沈秋月" in lines_of(answer.content)
        stranger = await desk.town.diner()
        refused(await desk.http.get(f"/v1/payments/{sold['id']}/slip", headers=stranger), 403, "FORBIDDEN")

    @pytest.mark.parametrize("address", ["file:///etc/passwd", "http://a.b/", "tcp://", "tcp://a:99999", "tcp://a b"])
    async def test_a_printer_set_over_the_network_is_an_address_of_it(self, desk: Desk, address: str) -> None:
        till = public_id("ter", desk.counter.terminal.id)
        admin = await desk.town.administrator()

        answer = await desk.http.put(f"/v1/terminals/{till}/printer", json={"address": address}, headers=admin)

        assert answer.status_code == 422
        manager = await desk.town.headers(desk.supervisor)
        lost = await desk.http.put(f"/v1/terminals/{till}/printer", json={"address": None}, headers=manager)
        refused(lost, 403, "FORBIDDEN")
