"""`guanjia simulate lunch`: a small one with a killed part, one that is interrupted, and the parts that judge the answers."""

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from app.lunch.books import ask_books
from app.lunch.charts import Bars, Chart, Series
from app.lunch.listening import Heard
from app.lunch.plan import ARRIVALS, Guests, Size, Twist, Visit, Way, plan_lunch
from app.lunch.sales import Sale, complaint_about
from app.lunch.simulation import Wishes, simulate_lunch
from app.lunch.summary import _told_once
from app.lunch.wire import Answer
from app.problems import LunchRefused
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id, uuid7
from tests.chromium import find_chromium
from tests.processes import children_of, is_gone

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


@dataclass
class Played:
    """A lunch that is over."""

    report: Path
    status: int
    said: str

    @property
    def summary(self) -> Json:
        found: Json = json.loads(self.report.with_suffix(".json").read_text())
        return found

    @property
    def broken(self) -> list[Json]:
        """The checks that do not hold."""
        return [check for check in self.summary["checks"] if not check["ok"]]


def start(report: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(ROOT / "guanjia"), "simulate", "lunch", "--report", str(report), *arguments],
        env=os.environ | environment,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


# ---- whole lunches


@pytest.fixture(scope="module")
def lunch(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Sixty-odd people in eight seconds, and the web process killed among them."""
    report = tmp_path_factory.mktemp("lunch") / "report.html"
    process = start(report, "--seconds", "8", "--peak", "30", "--holders", "60", "--terminals", "4", "--fault", "web")
    said, _ = process.communicate(timeout=110)
    return Played(report, process.returncode, said)


class TestASmallLunch:
    def test_everything_holds_though_the_web_process_was_killed_at_the_peak(self, lunch: Played) -> None:
        summary = lunch.summary

        assert lunch.broken == [], lunch.said
        assert lunch.status == 0
        assert [fault["part"] for fault in summary["faults"]] == ["web"]
        assert summary["repeated_for_want_of_answer"] > 0
        assert summary["reconnected"] >= summary["size"]["holders"]
        assert any("web was ended by SIGKILL" in line for line in summary["supervisor"])

    def test_its_totals_are_those_of_the_ledger(self, lunch: Played) -> None:
        summary, books = lunch.summary, lunch.summary["books"]

        assert summary["paid"] == books["payments"] == sum(summary["by_way"].values())
        assert books["amount_fen"] == books["owed_fen"] == sum(books["from_fen"].values()) > 0
        assert summary["told_payments"] == summary["paid"]

    def test_whoever_was_to_be_refused_was_refused_and_counted(self, lunch: Played) -> None:
        summary = lunch.summary

        assert set(summary["refused"]) >= {"DENY_NO_FUNDS", "DENY_CODE_UNKNOWN", "DENY_LOST", "DENY_CODE_USED"}
        assert summary["paid"] + sum(summary["refused"].values()) == summary["requests"]
        assert summary["asked_whether_meant"] >= 1

    @pytest.mark.browser
    def test_the_report_opens_anywhere_and_needs_nothing_from_elsewhere(self, lunch: Played) -> None:
        program = find_chromium()
        assert program is not None
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 390, "height": 800})
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(lunch.report.as_uri())

            assert asked == [lunch.report.as_uri()]
            assert page.locator("figure svg").count() == 7
            assert page.locator("text.mark").first.text_content() == "✗ web"
            assert page.locator(".verdict.ok").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            browser.close()


class TestInterrupted:
    def test_it_ends_all_it_started_and_still_reports(self, tmp_path: Path) -> None:
        report = tmp_path / "report.html"
        process = start(report, "--seconds", "120", "--peak", "5", "--holders", "60", "--terminals", "4")
        assert process.stdout is not None
        for line in process.stdout:
            if re.search(r"[1-9]\d* paid", line):
                break
        children = children_of(process.pid)
        folder = _folder_of(children)

        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)

        played = Played(report, process.returncode, said)
        assert played.broken == [], said
        assert played.summary["ended"] == "by the keyboard"
        assert 0 < played.summary["paid"] < played.summary["size"]["visits"]
        assert played.summary["books"]["payments"] == played.summary["paid"]
        assert "提前结束" in report.read_text()
        _wait_until_gone(children)
        assert not folder.exists()


def _folder_of(children: list[int]) -> Path:
    """The installation's, as its supervisor knows it."""
    for pid in children:
        settings = Path(f"/proc/{pid}/environ").read_text().split("\0")
        found = next((line for line in settings if line.startswith("GUANJIA_DATA_DIR=")), None)
        if found is not None and "guanjia-lunch-" in found:
            return Path(found.partition("=")[2]).parent
    raise AssertionError("no installation was made")


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while not all(is_gone(pid) for pid in pids):
        assert time.monotonic() < deadline, pids
        time.sleep(0.05)


class TestRefused:
    """Before anything is started."""

    @pytest.mark.parametrize(
        ("size", "url", "faults", "words"),
        [
            (Size(holders=10, peak=600), None, (), "would empty their purses"),
            (Size(), "http://127.0.0.1:9", ("web",), "nobody else's parts are killed"),
            (Size(), "http://127.0.0.1:9", (), "does not answer"),
            (Size(), "127.0.0.1:8000", (), "is no address of a server"),
        ],
    )
    def test_what_is_not_played_with(
        self, tmp_path: Path, size: Size, url: str | None, faults: tuple[str, ...], words: str
    ) -> None:
        with pytest.raises(LunchRefused, match=words):
            simulate_lunch(Wishes(size, url, faults, 1, tmp_path / "report.html"), lambda _sentence: None)
        assert list(tmp_path.iterdir()) == []

    def test_the_settings_of_production(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GUANJIA_PRODUCTION", "1")
        with pytest.raises(LunchRefused, match="GUANJIA_PRODUCTION is on"):
            simulate_lunch(Wishes(Size(), None, (), 1, tmp_path / "report.html"), lambda _sentence: None)

    def test_it_is_said_in_a_sentence(self, tmp_path: Path) -> None:
        process = start(tmp_path / "report.html", "--fault", "kitchen")
        said, _ = process.communicate(timeout=60)

        assert process.returncode == 1
        assert "--fault kitchen: one of web, worker, postgres, valkey." in said
        assert "Traceback" not in said


# ---- who comes


def guests(people: int = 100, tills: int = 4) -> Guests:
    return Guests([list(range(tills))] * people, with_card=list(range(10, people)), with_lost_card=[0])


class TestThePlan:
    def test_a_fifth_comes_in_the_fullest_five_minutes_at_the_rate_that_was_asked(self) -> None:
        size = Size(seconds=48, peak=50, holders=100, terminals=4)
        visits = plan_lunch(size, guests())

        begins_s, ends_s = size.peak_begins_s, size.peak_begins_s + size.bin_s
        at_peak = [visit for visit in visits if begins_s <= visit.at_s < ends_s]
        assert len(at_peak) == 50 * 2
        assert len(visits) == round(100 * 10_000 / max(ARRIVALS))
        assert visits == plan_lunch(size, guests())
        assert all(visit.code_at_s < visit.at_s for visit in visits)

    def test_everything_unusual_happens_at_least_once_and_to_the_right_people(self) -> None:
        visits = plan_lunch(Size(seconds=10, peak=40, holders=100, terminals=4), guests())

        assert {visit.twist for visit in visits} == set(Twist)
        assert {visit.way for visit in visits} == set(Way)
        assert [visit.person for visit in visits if visit.twist is Twist.LOST_CARD] == [0]
        assert 0 not in {visit.person for visit in visits if visit.twist is not Twist.LOST_CARD}

    def test_a_card_is_held_to_a_till_once_and_nobody_comes_much_more_often_than_others(self) -> None:
        visits = plan_lunch(Size(seconds=20, peak=200, holders=100, terminals=4), guests())

        by_card = Counter(v.person for v in visits if v.way is Way.CARD and v.twist is not Twist.LOST_CARD)
        others = Counter(v.person for v in visits if v.way is not Way.CARD)
        assert max(by_card.values()) == 1
        assert max(others.values()) - min(others.values()) <= 1

    def test_a_lunch_that_would_empty_the_purses_is_refused(self) -> None:
        with pytest.raises(LunchRefused, match="at least 84 people"):
            Size(seconds=60, peak=60, holders=10, terminals=4).check()


# ---- what is right


def sale(
    twist: Twist = Twist.NONE, *, amount_fen: int | None = 900, way: Way = Way.CODE, is_second: bool = False
) -> Sale:
    return Sale(Visit(1.0, 7, 0, way, twist, amount_fen, 0.0), is_second, 1.0, 0.5)


def paid(amount_fen: int = 900, legs: tuple[int, ...] = (900,), left_fen: int = 0) -> Json:
    return {
        "id": "pay_x",
        "amount_fen": amount_fen,
        "legs": [{"amount_fen": leg} for leg in legs],
        "purses": {"cash_fen": left_fen},
    }


def judged(of: Sale, status: int, body: Json) -> str | None:
    return complaint_about(of, of.note(Answer(status, json.dumps(body).encode(), replayed=False), 1.1))


class TestTheJudge:
    def test_the_right_answers_are_right(self) -> None:
        assert judged(sale(), 201, paid()) is None
        assert judged(sale(amount_fen=None), 201, paid(1800, (1600, 200))) is None
        assert judged(sale(Twist.NO_FUNDS), 402, {"code": "DENY_NO_FUNDS"}) is None
        assert judged(sale(Twist.USED_CODE, is_second=True), 402, {"code": "DENY_CODE_USED"}) is None

    @pytest.mark.parametrize(
        ("of", "status", "body", "complaint"),
        [
            (sale(), 201, paid(901, (901,)), "901 fen were taken instead of 900"),
            (sale(), 201, paid(legs=(800, 99)), "do not sum up"),
            (sale(), 201, paid(left_fen=-1), "below nothing"),
            (sale(), 402, {"code": "DENY_NO_FUNDS"}, "expected payment"),
            (sale(), 402, {"code": "DENY_CODE_EXPIRED"}, "expected payment"),
            (sale(), 500, {"code": "INTERNAL"}, "answered 500"),
            (sale(Twist.NO_FUNDS), 201, paid(), "was due"),
            (sale(Twist.USED_CODE, is_second=True), 201, paid(), "was due"),
            (sale(Twist.LOST_CARD, way=Way.CARD), 402, {"code": "DENY_CODE_UNKNOWN"}, "expected"),
        ],
    )
    def test_a_wrong_answer_is_complained_about(self, of: Sale, status: int, body: Json, complaint: str) -> None:
        assert complaint in str(judged(of, status, body))

    def test_a_code_that_ran_out_before_a_silent_till_is_nobodys_mistake(self) -> None:
        waited = sale()
        body = waited.note(Answer(402, b'{"code":"DENY_CODE_EXPIRED"}', replayed=False), 65.0)

        assert complaint_about(waited, body) is None
        assert waited.showed_too_late


class TestToldOnce:
    def _check(self, *heard: tuple[str, int]) -> bool:
        ears, of = Heard(), sale()
        of.status, of.payment = 201, "pay_x"
        for payment, listener in heard:
            ears.times[payment].append((listener, 1.2))
        return _told_once("", "", ears, [of], lambda each: each.visit.person).ok

    def test_once_by_the_payer_is_right(self) -> None:
        assert self._check(("pay_x", 7))

    def test_never_twice_and_by_somebody_else_are_not(self) -> None:
        assert not self._check()
        assert not self._check(("pay_x", 7), ("pay_x", 7))
        assert not self._check(("pay_x", 8))


class TestTheBooks:
    async def test_a_payment_that_was_acknowledged_and_is_not_there_is_named(
        self, db: Database, database_url: str
    ) -> None:
        gone = sale()
        gone.status, gone.payment, gone.amount_fen, gone.answered_s = 201, public_id("pay", uuid7()), 900, 1.1

        books = await ask_books(database_url, [gone], clock.now())

        assert books.lost == [gone.payment]
        assert (books.payments, books.broken) == (0, [])
        assert books.invariants > 10


# ---- pictures


class TestCharts:
    def test_a_line_stays_inside_and_ends_at_the_top_of_its_scale(self) -> None:
        drawn = Chart(
            "a & b", "ms", [Series("p99", "c1", [(0.0, 0.0), (10.0, 100.0)])], [(5.0, "✗ web")], goal=50.0
        ).svg()

        assert 'points="56.0,206.0 708.0,14.0"' in drawn
        assert "a &amp; b" in drawn
        assert '<text class="mark" x="386.0" y="24">✗ web</text>' in drawn
        assert 'class="goal" x1="56" x2="708" y1="110.0"' in drawn

    def test_bars_are_in_proportion(self) -> None:
        drawn = Bars("refusals", "times", [("A", 10), ("B", 5)]).svg()

        assert [float(width) for width in re.findall(r'width="([\d.]+)" height="18"', drawn)] == [430.0, 215.0]

    def test_of_nothing_nothing_is_drawn(self) -> None:
        assert "svg" not in Chart("t", "s", []).svg()
        assert "svg" not in Bars("t", "s", []).svg()
