"""`guanjia run --lan`, on loopback addresses: what a phone of the local network finds there."""

import os
import re
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import httpx
import psutil
import pytest
import zxingcpp
from PIL import Image
from websockets.asyncio.client import connect

from app import lan
from app.problems import LanRefused
from kernel.settings import Settings
from tests.app.copies import ROOT, Copy, running_copy
from tests.app.test_embedded_postgres import run_sql

PHONES = {"GUANJIA_LAN_HOST": "127.0.0.2", "GUANJIA_LAN_PORT": "0"}
CELL = 8


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with running_copy(tmp_path_factory.mktemp("lan") / "data", PHONES, "--lan") as copy:
        yield copy.hears("take it off the phone again")


@pytest.fixture(scope="module")
def url(copy: Copy) -> str:
    return _said(copy, r"https://127\.0\.0\.2:\d+")


@pytest.fixture(scope="module")
def trust_url(copy: Copy) -> str:
    return _said(copy, r"http://127\.0\.0\.2:\d+")


@pytest.fixture(scope="module")
def trusting(trust_url: str) -> ssl.SSLContext:
    """A phone that trusts what the page has handed out, and nothing else."""
    with urlopen(f"{trust_url}/guanjia-ca.crt") as answer:
        return ssl.create_default_context(cadata=answer.read().decode())


def _said(copy: Copy, pattern: str) -> str:
    found = re.search(pattern, copy.said)
    assert found is not None, copy.said
    return found.group()


class TestTheDoor:
    def test_a_phone_that_trusts_the_authority_comes_in_and_another_does_not(
        self, url: str, trusting: ssl.SSLContext
    ) -> None:
        assert httpx.get(f"{url}/healthz", verify=trusting).json() == {"status": "ok"}
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/healthz")

    def test_the_loopback_address_stays_and_nothing_else_is_opened(self, copy: Copy, url: str, trust_url: str) -> None:
        assert copy.url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{copy.url}/healthz").json() == {"status": "ok"}
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for process in [
                psutil.Process(copy.process.pid),
                *psutil.Process(copy.process.pid).children(recursive=True),
            ]
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        at_phones = {(ip, port) for ip, port in listening if ip != "127.0.0.1"}
        assert at_phones == {("127.0.0.2", httpx.URL(each).port) for each in (url, trust_url)}

    async def test_sockets_work_over_tls(self, url: str, trusting: ssl.SSLContext) -> None:
        address = url.replace("https://", "wss://") + "/v1/realtime"
        async with connect(address, ssl=trusting) as socket:
            await socket.send('{"op": "auth", "token": "nobody"}')
            assert '"error"' in str(await socket.recv())

    def test_the_cookie_of_a_session_is_for_tls_only(self, copy: Copy, url: str, trusting: ssl.SSLContext) -> None:
        login = {"username": "first-admin", "password": "celadon-after-rain"}
        _found_administrator(copy, login)
        over_tls = httpx.post(f"{url}/v1/sessions", json=login, verify=trusting)
        assert over_tls.status_code == 201, over_tls.text
        assert "; Secure" in over_tls.headers["set-cookie"]
        here = httpx.post(f"{copy.url}/v1/sessions", json=login)
        assert "; Secure" not in here.headers["set-cookie"]

    def test_the_page_for_phones_says_how_and_names_the_fingerprint_that_the_terminal_shows(
        self, copy: Copy, url: str, trust_url: str
    ) -> None:
        page = httpx.get(trust_url)
        shown = _said(copy, r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}")

        assert shown in page.text
        assert f'href="{url}"' in page.text
        assert "证书信任设置" in page.text
        assert "Certificate Trust Settings" in page.text
        # It can do nothing else: no other address answers with anything of the product.
        assert httpx.get(f"{trust_url}/v1/demo_logins").text == page.text

    def test_the_terminal_shows_codes_that_a_camera_reads(self, copy: Copy, url: str, trust_url: str) -> None:
        read = {barcode.text for barcode in zxingcpp.read_barcodes(_photograph(copy.lines))}

        assert read == {url, trust_url}


class TestTheAuthority:
    def test_its_key_is_its_owners_alone(self, copy: Copy) -> None:
        folder = copy.data_dir / "lan"

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in folder.iterdir()} == dict.fromkeys(
            ("ca.crt", "ca.key", "server.pem"), "0o600"
        )

    def test_is_made_once_so_that_a_phone_need_not_be_told_again(self, tmp_path: Path) -> None:
        first = lan.fingerprint(lan.authority(tmp_path / "lan"))

        assert lan.fingerprint(lan.authority(tmp_path / "lan")) == first
        assert lan.fingerprint(lan.authority(tmp_path / "other")) != first


class TestRefusals:
    @pytest.mark.parametrize("host", ["0.0.0.0", "my-laptop"])
    def test_a_certificate_is_for_one_address(self, host: str) -> None:
        with pytest.raises(LanRefused, match="GUANJIA_LAN_HOST"):
            lan.lan_address(Settings(lan_host=host))

    def test_production_has_a_proxy_for_that(self) -> None:
        with pytest.raises(LanRefused, match="production"):
            lan.lan_address(Settings(production=True, lan_host="127.0.0.2"))


def _found_administrator(copy: Copy, login: dict[str, str]) -> None:
    run_sql(
        copy.database_url,
        """
        WITH region AS (
            INSERT INTO regions (id, code, name_zh, name_en, pinyin, timezone, created_at)
            VALUES (gen_random_uuid(), '33', '浙', 'Zhe', 'zhe', 'Asia/Shanghai', now()) RETURNING id
        )
        INSERT INTO organisations (id, home_region_id, kind, code, name_zh, name_en, pinyin, created_at)
        SELECT gen_random_uuid(), id, 'unit', 'HZ', '杭', 'Hang', 'hang', now() FROM region
        """,
    )
    options = {"organisation": "HZ", "name": "管理员", **login}
    subprocess.run(
        [
            *(str(ROOT / "guanjia"), "administrators", "first", "security_admin"),
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        env=os.environ | {"GUANJIA_DATA_DIR": str(copy.data_dir)},
        check=True,
        capture_output=True,
    )


def _photograph(lines: list[str]) -> Image.Image:
    """The terminal's half blocks as a camera sees them: light where a block is drawn, dark elsewhere."""
    drawn = [line for line in lines if re.search("[█▀▄]{3}", line)]
    width = max(len(line) for line in drawn)
    photo = Image.new("L", (width * CELL, len(drawn) * 2 * CELL), 0)
    for y, line in enumerate(drawn):
        for x, character in enumerate(line):
            for half, blocks in enumerate(("█▀", "█▄")):
                if character in blocks:
                    photo.paste(255, (x * CELL, (2 * y + half) * CELL, (x + 1) * CELL, (2 * y + half + 1) * CELL))
    return photo
