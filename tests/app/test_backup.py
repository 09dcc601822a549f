"""`guanjia backup` and `guanjia restore`: what was acknowledged before a backup is there after it, and nothing is lost by trying."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from app.operation.backup import back_up
from app.operation.postgres_programs import find_program
from app.operation.restore import restore
from app.problems import RestoreRefused
from kernel.db import Database
from kernel.settings import Settings
from tests.app.copies import running_copy
from tests.app.test_cli import guanjia
from tests.app.test_embedded_postgres import run_sql
from tests.product import Diner, Json, Product, Till, fresh_amount_fen, fresh_seq

SECRET = "zD4kq8Vw1nXs7Rb3Yc6Tf9Jm2Lp5Hg0a"


class Lunches:
    """Somebody who pays one lunch after the other until told to stop; remembers what was acknowledged, and when."""

    def __init__(self, diner: Diner, till: Till) -> None:
        self._diner, self._till = diner, till
        self.paid: list[tuple[float, str, Json, bytes]] = []
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._eat)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(30)

    def _eat(self) -> None:
        while not self._enough.is_set():
            key = f"lunch-{uuid4()}"
            body = {"seq": fresh_seq(), "code": self._diner.code()["code"], "amount_fen": fresh_amount_fen()}
            answer = self._till.pay(body, key)
            assert answer.status_code == 201, answer.text
            self.paid.append((time.monotonic(), key, body, answer.content))

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.paid) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)


class TestUnderLoad:
    @pytest.mark.timeout(300)
    def test_a_backup_taken_while_lunches_are_paid_comes_back_elsewhere_and_goes_on(
        self, product: Product, tmp_path: Path
    ) -> None:
        file, elsewhere = tmp_path / "noon.guanjia", tmp_path / "elsewhere"
        with Lunches(product.diner(31), product.new_till()) as lunches:
            lunches.wait_for(5)
            began = time.monotonic()
            product.command("backup", str(file))
            ended = time.monotonic()
            lunches.wait_for(len(lunches.paid) + 3)
        acknowledged_before = [lunch for lunch in lunches.paid if lunch[0] < began]
        assert [lunch for lunch in lunches.paid if began < lunch[0] < ended], "nobody was held up by the backup"
        assert oct(file.stat().st_mode)[-3:] == "600"

        done = guanjia("restore", str(file), GUANJIA_DATA_DIR=str(elsewhere))

        assert done.returncode == 0, done.stdout + done.stderr
        assert "all invariants hold" in done.stdout
        with running_copy(elsewhere) as copy:
            self.every_acknowledged_payment_is_there(copy.url, product, acknowledged_before)
            self.a_lunch_is_paid(copy.url, json.loads((elsewhere / "demo.json").read_text()))
        assert guanjia("audit", GUANJIA_DATA_DIR=str(elsewhere)).returncode == 0

    def every_acknowledged_payment_is_there(
        self, url: str, product: Product, lunches: list[tuple[float, str, Json, bytes]]
    ) -> None:
        """Its key still gets the same bytes: in the restored copy and in the one that went on."""
        for base in (url, product.url):
            for _, key, body, answer in lunches:
                token = self.token_of_till(product, answer)
                headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
                again = httpx.post(f"{base}/v1/payments", json=body, headers=headers, timeout=30)
                assert (again.content, again.headers["Idempotent-Replayed"]) == (answer, "true")

    def token_of_till(self, product: Product, answer: bytes) -> str:
        return self.tills[json.loads(answer)["terminal"]]

    @pytest.fixture(autouse=True)
    def _remember_tills(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tills: dict[str, str] = {}
        make = Product.new_till

        def remembered(product: Product) -> Till:
            till = make(product)
            self.tills[till.id] = till.card["token"]
            return till

        monkeypatch.setattr(Product, "new_till", remembered)

    def a_lunch_is_paid(self, url: str, card: Json) -> None:
        """With the demo's own logins: the passwords, the till's token and the keys of the codes came along."""
        login, till = card["employees"][30], card["terminals"][0]
        with httpx.Client(base_url=url, timeout=30) as http:
            sent = {"username": login["username"], "password": login["password"]}
            phone = {"Authorization": f"Bearer {http.post('/v1/sessions', json=sent).json()['token']}"}
            code = http.post("/v1/me/pay_codes", headers=phone).json()["text"]
            headers = {"Authorization": f"Bearer {till['token']}", "Idempotency-Key": str(uuid4())}
            body = {"seq": fresh_seq(), "code": code, "amount_fen": 1234}
            paid = http.post("/v1/payments", json=body, headers=headers)
        assert paid.status_code == 201, paid.text


class TestWhatIsRefused:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path) -> Settings:
        return Settings(database_url=SecretStr(database_url), data_dir=tmp_path / "here")

    @pytest.fixture
    def file(self, settings: Settings, tmp_path: Path) -> Path:
        run_sql(self.url(settings), "CREATE TABLE kept AS SELECT 42 AS answer")
        file = tmp_path / "a.guanjia"
        back_up(settings, file, with_secrets=True, say=lambda _: None)
        return file

    @staticmethod
    def url(settings: Settings) -> str:
        assert settings.database_url is not None
        return settings.database_url.get_secret_value()

    def bring_in(self, settings: Settings, file: Path, *, replace: bool = False) -> list[str]:
        return restore(settings, file, replace=replace, say=lambda _: None).complaints

    def test_data_is_replaced_only_when_asked_and_kept_before(self, settings: Settings, file: Path) -> None:
        run_sql(self.url(settings), "UPDATE kept SET answer = 7")
        with pytest.raises(RestoreRefused, match="--replace"):
            self.bring_in(settings, file)
        assert run_sql(self.url(settings), "SELECT answer FROM kept") == 7

        assert self.bring_in(settings, file, replace=True) == []

        assert run_sql(self.url(settings), "SELECT answer FROM kept") == 42
        (kept,) = (settings.data_dir / "backups").iterdir()
        assert self.bring_in(settings, kept, replace=True) == []
        assert run_sql(self.url(settings), "SELECT answer FROM kept") == 7

    def test_a_single_changed_byte_is_seen_before_anything_is_touched(self, settings: Settings, file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[content.index(b"PGDMP") + 5000] ^= 1
        file.write_bytes(content)
        run_sql(self.url(settings), "UPDATE kept SET answer = 7")

        with pytest.raises(RestoreRefused, match=r"damaged: database\.dump"):
            self.bring_in(settings, file, replace=True)

        assert run_sql(self.url(settings), "SELECT answer FROM kept") == 7

    def test_an_archive_cut_short_is_refused(self, settings: Settings, file: Path) -> None:
        os.truncate(file, file.stat().st_size // 2)

        with pytest.raises(RestoreRefused, match=r"damaged|cannot be read"):
            self.bring_in(settings, file, replace=True)

    def test_a_dump_that_cannot_be_brought_in_leaves_the_data_as_it_was(
        self, settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """pg_restore fails half-way: what it had written is taken back, and what was dropped is there."""
        half = Path(self.half_a_pg_restore(file.parent))
        monkeypatch.setattr(
            "app.operation.restore.find_program",
            lambda name: str(half) if name == "pg_restore" else find_program(name),
        )

        with pytest.raises(RestoreRefused, match="the database is as it was"):
            self.bring_in(settings, file, replace=True)

        assert run_sql(self.url(settings), "SELECT answer FROM kept") == 42

    @staticmethod
    def half_a_pg_restore(folder: Path) -> str:
        program = folder / "half"
        program.write_text("#!/bin/sh\necho 'CREATE TABLE half (n int);'\nexit 1\n")
        program.chmod(0o700)
        return str(program)

    def test_where_processes_are_connected_nothing_is_touched(
        self, settings: Settings, file: Path, connected: None
    ) -> None:
        with pytest.raises(RestoreRefused, match="Stop them first"):
            self.bring_in(settings, file, replace=True)

    @pytest.fixture
    def connected(self, settings: Settings) -> Iterator[None]:
        """A process of ours that is at work."""
        with asyncio.Runner() as runner:
            db = Database(self.url(settings))
            connection = runner.run(db.raw_connection())
            yield
            runner.run(connection.close())
            runner.run(db.close())

    def test_keys_that_another_secret_has_sealed_are_not_brought_in(self, database_url: str, tmp_path: Path) -> None:
        here = Settings(database_url=SecretStr(database_url), data_dir=tmp_path, secret_key=SecretStr(SECRET))
        file = tmp_path / "a.guanjia"
        manifest = back_up(here, file, with_secrets=True, say=lambda _: None)
        assert set(manifest.members) == {"database.dump"}, "a secret of the environment is kept by whoever set it"

        with pytest.raises(RestoreRefused, match="another GUANJIA_SECRET_KEY"):
            self.bring_in(here.model_copy(update={"secret_key": SecretStr(SECRET[::-1])}), file, replace=True)
        assert self.bring_in(here, file, replace=True) == []

    def test_production_takes_no_demo_in(self, settings: Settings, tmp_path: Path) -> None:
        run_sql(self.url(settings), "CREATE TABLE demo_seed ()")
        file = tmp_path / "demo.guanjia"
        back_up(settings, file, with_secrets=True, say=lambda _: None)

        production = settings.model_copy(update={"production": True, "secret_key": SecretStr(SECRET)})
        with pytest.raises(RestoreRefused, match="never restored in production"):
            self.bring_in(production, file, replace=True)

    def test_what_is_wrong_with_the_books_is_said(self, settings: Settings, tmp_path: Path) -> None:
        """A backup of a broken ledger is a faithful copy, and the audit names what is broken in it."""
        insert = (
            "INSERT INTO unit_prefunds (unit_id, region_id, balance_fen, version) "
            "VALUES (gen_random_uuid(), gen_random_uuid(), 5, 1)"
        )
        run_sql(self.url(settings), insert)
        file = tmp_path / "broken.guanjia"
        back_up(settings, file, with_secrets=True, say=lambda _: None)

        complaints = self.bring_in(settings, file, replace=True)

        assert any(complaint.startswith("I2:") for complaint in complaints)
