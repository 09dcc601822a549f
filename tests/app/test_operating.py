"""`guanjia terminal`, `export` and `seed`: the operator's commands, as a person types them."""

import csv
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pydantic import SecretStr

from app.embedded.postgres import EmbeddedPostgres
from app.operation.seed import Size, seed
from app.operation.sheets import opened_sheet
from app.problems import SeedingRefused
from kernel.db import Database
from kernel.settings import Settings
from tests.app.test_cli import ROOT, guanjia
from tests.app.test_embedded_postgres import run_sql
from tests.conftest import _fresh_database
from tests.payments.conftest import assert_books_are_right
from tests.product import Product, Till, fresh_amount_fen


def run(product: Product, *arguments: str, typed: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command against the running product."""
    return subprocess.run(
        [str(ROOT / "guanjia"), *arguments],
        cwd="/",
        env=os.environ | {"GUANJIA_DATA_DIR": str(product.data_dir)} | environment,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


class TestAKeyboardTill:
    def test_it_scans_codes_as_they_are_typed_and_pays_each_once(self, product: Product) -> None:
        till, diner = product.new_till(), product.diner(33)
        first, second = diner.code(), diner.code()
        typed = f"{first['text']}\n\n{second['code']}\n{first['code']}\n"

        done = run(
            product,
            *("terminal", "pay", "--amount-fen", str(fresh_amount_fen()), "--confirm-repeat"),
            typed=typed,
            GUANJIA_TERMINAL_TOKEN=till.card["token"],
        )

        lines = done.stdout.splitlines()
        assert [line[0] for line in lines] == ["✓", "✓", "✗"], done.stdout + done.stderr
        assert "DENY_CODE_USED" in lines[2]
        assert done.returncode == 1
        paid = product.client(till.card["token"]).get(f"/v1/payments/{lines[0].split()[1]}")
        assert paid.json()["terminal"] == till.id

    def test_a_single_code_for_programs(self, product: Product) -> None:
        diner = product.diner(34)
        command = ("terminal", "pay", diner.code()["code"], "--amount-fen", "77", "--json")

        done = run(product, *command, GUANJIA_TERMINAL_TOKEN=product.new_till().card["token"])

        assert (done.returncode, json.loads(done.stdout)["amount_fen"]) == (0, 77)

    def test_a_server_that_does_not_answer_is_said_in_words(self, product: Product) -> None:
        done = run(product, "terminal", "pay", "70", "--token", "x", "--server", "http://127.0.0.1:1")

        assert done.returncode == 1
        assert "does not answer" in done.stderr
        assert "Traceback" not in done.stderr


class TestAListeningTill:
    def test_it_prints_what_its_canteen_hears(self, product: Product) -> None:
        till, diner = product.new_till(), product.diner(36)
        amount_fen = fresh_amount_fen()
        with ThreadPoolExecutor() as pool:
            command = ("terminal", "listen", "--json", "--count", "1")
            listening = pool.submit(run, product, *command, GUANJIA_TERMINAL_TOKEN=till.card["token"])
            # Until it has heard one: nobody is told when a socket of another process is ready.
            while True:
                paid = till.pay({"code": diner.code()["code"], "amount_fen": amount_fen, "confirm_repeat": True})
                assert paid.status_code == 201, paid.text
                wait([listening], timeout=1)
                if listening.done():
                    break
        heard = json.loads(listening.result().stdout)
        assert (heard["type"], heard["data"]["canteen"]) == ("payment.succeeded", paid.json()["canteen"])


class TestTills:
    def test_one_is_listed_paired_anew_used_and_ended(self, product: Product) -> None:
        till = product.new_till()
        assert till.id in run(product, "terminal", "list").stdout

        code = run(product, "terminal", "pair", till.id).stdout.split()[0]
        token = run(product, "terminal", "enrol", code).stdout.strip()
        assert product.client(token).get("/v1/terminals/me").json()["id"] == till.id
        assert run(product, "terminal", "revoke", till.id).returncode == 0

        assert product.client(token).get("/v1/terminals/me").status_code == 401

    def test_one_that_does_not_exist_is_said_in_words(self, product: Product) -> None:
        done = run(product, "terminal", "revoke", "ter_" + "0" * 32)

        assert (done.returncode, "no such till" in done.stderr) == (1, True)


class TestExport:
    @pytest.fixture
    def paid(self, product: Product) -> tuple[Till, dict[str, Any]]:
        till, diner = product.new_till(), product.diner(35)
        answer = till.pay({"code": diner.code()["code"], "amount_fen": 2345, "confirm_repeat": True})
        assert answer.status_code == 201, answer.text
        return till, answer.json()

    def test_the_last_line_is_the_sum_of_the_others_and_my_payment_is_among_them(
        self, product: Product, paid: tuple[Till, dict[str, Any]], tmp_path: Path
    ) -> None:
        _, payment = paid
        day, canteen = payment["business_date"], payment["canteen"]

        done = run(product, "export", "payments", f"{tmp_path}/a.csv", "--from", day, "--to", day, "--canteen", canteen)

        assert done.returncode == 0, done.stderr
        *rows, total = csv.DictReader((tmp_path / "a.csv").read_text("utf-8-sig").splitlines())
        (mine,) = [row for row in rows if row["payment"] == payment["id"]]
        assert (mine["amount_fen"], mine["person"][:4], mine["canteen"]) == ("2345", "per_", canteen)
        assert {row["business_date"] for row in rows} == {day}
        for name in ("amount_fen", "refunded_fen", "cash_fen", "subsidy_fen", "official_fen"):
            assert int(total[name]) == sum(int(row[name]) for row in rows)
        assert total["payment"] == f"total of {len(rows)}"
        assert int(total["amount_fen"]) == sum(
            int(total[purse]) for purse in ("cash_fen", "subsidy_fen", "official_fen")
        )
        assert oct((tmp_path / "a.csv").stat().st_mode)[-3:] == "600"

    def test_each_form_holds_the_same(self, product: Product, tmp_path: Path) -> None:
        """Of a day that is over, so that nobody adds to it meanwhile."""
        day = product.command("export", "payments", "-", "--canteen", "C3").splitlines()[1].split(",")[2]
        for form in ("csv", "jsonl", "xlsx"):
            done = run(
                product, "export", "ledger", f"{tmp_path}/a.{form}", "--from", day, "--to", day, "--canteen", "C3"
            )
            assert done.returncode == 0, done.stderr

        by_line = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        total = by_line.pop()["total"]
        text_rows = list(csv.DictReader((tmp_path / "a.csv").read_text("utf-8-sig").splitlines()))
        heads, *cells = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0].values
        assert total["rows"] == len(by_line) == len(text_rows) - 1 == len(cells) - 1 > 0
        assert total["amount_fen"] == sum(line["amount_fen"] for line in by_line) == int(text_rows[-1]["amount_fen"])
        assert [dict(zip(heads, row, strict=True)) for row in cells[:-1]] == [
            {name: value if value != "" else None for name, value in line.items()} for line in by_line
        ]

    def test_purses_are_what_the_ledger_says(self, product: Product, tmp_path: Path) -> None:
        done = run(product, "export", "purses", f"{tmp_path}/a.jsonl")

        lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert {line.get("purse") for line in lines[:-1]} >= {"cash", "subsidy"}
        assert re.search(rf"balance_fen {lines[-1]['total']['balance_fen']}", done.stdout)

    def test_nobody_is_named_and_who_looked_is_written_down(self, product: Product, tmp_path: Path) -> None:
        names = {login["name"] for login in product.card["employees"]}
        run(product, "export", "payments", f"{tmp_path}/a.csv")

        text = (tmp_path / "a.csv").read_text("utf-8-sig")
        assert [name for name in names if name in text] == []
        assert "data.exported" in _audit_actions(product)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("payments", "a.pdf"), "ends in"),
            (("payments", "a.csv", "--canteen", "Z9"), "no canteen Z9"),
            (("payments", "a.csv", "--from", "2026-02-01", "--to", "2026-01-01"), "comes after"),
            (("purses", "a.csv", "--canteen", "C1"), "as they are now"),
            (("payments", "/none/a.csv"), "cannot be written"),
        ],
    )
    def test_what_cannot_be_done_is_said_and_leaves_no_file(
        self, product: Product, tmp_path: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        what, name, *rest = arguments
        done = run(product, "export", what, str(tmp_path / name), *rest)

        assert (done.returncode, words in done.stderr, list(tmp_path.iterdir())) == (1, True, [])


def _audit_actions(product: Product) -> set[str]:
    postgres = EmbeddedPostgres(product.data_dir)
    assert postgres.attach()
    return set(str(run_sql(postgres.url, "SELECT string_agg(DISTINCT action, ' ') FROM audit_log")).split())


class TestSheets:
    def test_a_name_that_looks_like_a_formula_stays_a_name(self, tmp_path: Path) -> None:
        for form in ("csv", "xlsx"):
            with opened_sheet(str(tmp_path / f"a.{form}"), ["name"]) as sheet:
                sheet.write(["=1+1"])
                sheet.close({"rows": 1})

        assert "'=1+1" in (tmp_path / "a.csv").read_text("utf-8-sig")
        (_, (cell,), _) = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0].iter_rows()
        assert (cell.value, cell.data_type) == ("=1+1", "s")

    def test_a_full_sheet_is_followed_by_another(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.operation.sheets.SHEET_ROWS_MAX", 4)
        with opened_sheet(str(tmp_path / "a.xlsx"), ["n"]) as sheet:
            for number in range(5):
                sheet.write([number])
            sheet.close({"rows": 5})

        book = openpyxl.load_workbook(tmp_path / "a.xlsx")
        assert [[row[0] for row in page.values] for page in book] == [["n", 0, 1], ["n", 2, 3], ["n", 4, "total of 5"]]

    def test_what_was_begun_and_failed_leaves_nothing(self, tmp_path: Path) -> None:
        def write_and_fail() -> None:
            with opened_sheet(str(tmp_path / "a.csv"), ["n"]) as sheet:
                sheet.write([1])
                raise RuntimeError("the power is out")

        with pytest.raises(RuntimeError):
            write_and_fail()

        assert list(tmp_path.iterdir()) == []


class TestSeed:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path) -> Settings:
        return Settings(database_url=SecretStr(database_url), data_dir=tmp_path)

    async def test_people_canteens_and_days_as_many_as_asked_with_right_books(
        self, settings: Settings, database_url: str
    ) -> None:
        file = await seed(settings, database_url, Size(people=120, canteens=3, days=2), lambda _: None)

        db = Database(database_url)
        await assert_books_are_right(db)
        facts = await self.facts(db)
        await db.close()
        assert (facts["people"], facts["holders"], facts["canteens"], facts["terminals"]) == (120, 120, 3, 12)
        assert facts["payments"] > 20
        card = json.loads(file.read_text())
        assert (len(card["terminals"]), len(card["employees"]), oct(file.stat().st_mode)[-3:]) == (12, 100, "600")

    @staticmethod
    async def facts(db: Database) -> dict[str, Any]:
        connection = await db.raw_connection()
        tables = ("people", "holders", "canteens", "terminals", "payments")
        found = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
        spread = "SELECT md5(string_agg(format('%s %s %s', name, staff_number, pinyin), ',' ORDER BY staff_number)) FROM people"
        found["who"] = await connection.fetchval(spread)
        found["paid"] = await connection.fetchval("SELECT sum(amount_fen) FROM payments")
        await connection.close()
        return found

    async def test_the_same_seed_makes_the_same(self, database_url: str, empty_twin: str, tmp_path: Path) -> None:
        found = []
        for number, url in enumerate((database_url, empty_twin)):
            settings = Settings(database_url=SecretStr(url), data_dir=tmp_path / str(number))
            await seed(settings, url, Size(people=30, canteens=1, days=1, seed=7), lambda _: None)
            db = Database(url)
            found.append(await self.facts(db))
            await db.close()

        assert found[0] == found[1]
        assert found[0]["payments"] > 0

    @pytest.fixture
    def empty_twin(self, postgres_server: Any) -> Any:
        with _fresh_database(postgres_server) as url:
            yield url

    async def test_twice_the_same_is_refused_and_production_always(self, settings: Settings, database_url: str) -> None:
        await seed(settings, database_url, Size(people=2, canteens=1), lambda _: None)
        with pytest.raises(SeedingRefused, match="already"):
            await seed(settings, database_url, Size(people=2, canteens=1), lambda _: None)
        await seed(settings, database_url, Size(people=2, canteens=1, seed=2), lambda _: None)

        production = settings.model_copy(update={"production": True})
        with pytest.raises(SeedingRefused, match="GUANJIA_PRODUCTION"):
            await seed(production, database_url, Size(people=2, canteens=1, seed=3), lambda _: None)

    async def test_a_size_without_sense_is_refused(self, settings: Settings, database_url: str) -> None:
        with pytest.raises(SeedingRefused, match="--people 0"):
            await seed(settings, database_url, Size(people=0, canteens=1), lambda _: None)

    def test_production_never_starts_on_it(self, settings: Settings, database_url: str) -> None:
        run_sql(database_url, "CREATE TABLE demo_seed (started_at timestamptz, completed_at timestamptz)")
        secret = "d2f1c0b9a8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9"
        done = guanjia(
            "migrate", GUANJIA_DATABASE_URL=database_url, GUANJIA_PRODUCTION="true", GUANJIA_SECRET_KEY=secret
        )

        assert done.returncode == 1
