"""A till's printer on real screens: set in the office, printed on at the till, and what is said when it is silent."""

import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESK, PHONE, NewPage
from tests.browser.looking import fits, serious
from tests.browser.test_a_shift import RESULT, open_till, sell
from tests.browser.test_getting_in import staff
from tests.product import Product


@dataclass(frozen=True)
class PaperRoll:
    """A printer of the network: what it was sent, print by print."""

    socket: socket.socket
    prints: "queue.Queue[bytes]"

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"

    def take(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return  # It was switched off.
            with connection, connection.makefile("rb") as sent:
                self.prints.put(sent.read())

    def switch_off(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def printer() -> Iterator[PaperRoll]:
    roll = PaperRoll(socket.create_server(("127.0.0.1", 0)), queue.Queue())
    thread = threading.Thread(target=roll.take)
    thread.start()
    yield roll
    if roll.socket.fileno() != -1:
        roll.switch_off()
    thread.join(5)


class TestAPrinter:
    def test_is_set_in_the_office_and_prints_the_slip_of_the_last_sale(
        self, new_page: NewPage, product: Product, printer: PaperRoll
    ) -> None:
        till = product.new_till()
        name = till.http.get("/v1/terminals/me").json()["name"]
        office = new_page(DESK, keep={"guanjia.session.admin": staff(product, "system_admin")})
        office.goto("/admin/terminals")
        dialog = office.get_by_role("dialog", name="打印机")
        office.get_by_role("button", name=f"打印机 {name}").click()
        address = dialog.get_by_role("textbox", name="网络地址")
        for size in (PHONE, DESK):
            office.set_viewport_size({"width": size[0], "height": size[1]})
            assert fits(office)
            assert serious(office) == []
        address.fill("http://printer/")
        office.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_be_visible()
        address.fill(printer.address)
        office.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        office.get_by_role("button", name=f"打印机 {name}").click()
        expect(address).to_have_value(printer.address)

        page = open_till(new_page, till)
        page.get_by_role("tab", name="金额").click()
        sell(page, product, 36, "3.45")
        slip = page.locator(RESULT).locator(".slip")
        slip.click()
        expect(slip).to_have_text("已打印")
        printed = printer.prints.get(timeout=5).decode("gb18030")
        assert "3.45" in printed

        printer.switch_off()
        expect(slip).to_have_text("打印小票")
        slip.click()
        expect(slip).to_contain_text("打印机")
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
