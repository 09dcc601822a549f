"""`guanjia verify-statement`: on another machine, in another zone and locale, without a database."""

import base64
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel import clock
from kernel.db import Database
from payments.credentials.trust import root_public_key, trust_list
from payments.settlement.statements import service
from payments.settlement.statements.statement import StatementKind
from tests.payments.settlement.statements.stories import NOON, PERIOD, cut_off, eat_a_month
from tests.payments.world import World, open_world

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
async def world(db: Database) -> AsyncIterator[World]:
    with clock.frozen(NOON):
        opened = await open_world(db, prefund_fen=1_000_000)
        yield opened
        await opened.posting.stop()


@pytest.fixture
async def signed(world: World, tmp_path: Path) -> Path:
    """A canteen's final statement, its signature beside it, the root key and the trust list in files of their own."""
    await eat_a_month(world)
    await cut_off(world.db, world.home)
    async with world.db.session() as session:
        made = await service.make_statement(session, StatementKind.CANTEEN, world.home, world.canteen, PERIOD)
        file = await service.write_file(session, made, "lines", "zh")
        _, signature = await service.sign_statement(session, made)
        (tmp_path / "root.key").write_text(base64.b64encode(await root_public_key(session)).decode())
        (tmp_path / "trust.json").write_text(json.dumps(await trust_list(session)))
    path = file.path.rename(tmp_path / "november.lines")
    path.with_name("november.lines.sig").write_bytes(signature)
    return path


def verify(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command with nothing in its environment but what is given; `env -i`."""
    command = [str(ROOT / "guanjia"), "verify-statement", *map(str, arguments)]
    variables = {"PATH": "/usr/bin:/bin"} | environment
    return subprocess.run(command, cwd="/", env=variables, capture_output=True, encoding="utf-8", check=False)


def add_one_fen(file: Path) -> Path:
    file.write_bytes(file.read_bytes().replace(b",1600,", b",1601,", 1))
    return file


def hash_in(told: "subprocess.CompletedProcess[str]") -> str:
    return next(line.split()[1] for line in told.stdout.splitlines() if line.startswith("SHA-256"))


class TestVerifyStatement:
    async def test_says_the_same_in_every_zone_and_locale(self, signed: Path) -> None:
        environments: tuple[dict[str, str], ...] = (
            {},
            {"TZ": "America/St_Johns", "LANG": "C"},
            {"TZ": "Pacific/Kiritimati", "LANG": "zh_CN.GB18030", "LC_ALL": "zh_CN.GB18030"},
            {"TZ": "UTC", "LANG": "tr_TR.UTF-8", "PYTHONIOENCODING": "latin-1"},
        )
        told = [verify(signed, "--root-key", signed.with_name("root.key"), **each) for each in environments]

        assert [each.returncode for each in told] == [0] * len(environments), told[0].stderr
        assert len({each.stdout for each in told}) == 1
        assert "食堂 canteen" in told[0].stdout
        assert "2026-11 · 已截止 final" in told[0].stdout
        assert "贷 credit 18.00" in told[0].stdout
        assert "The statement is as it was signed." in told[0].stdout

    async def test_needs_neither_server_nor_database_nor_a_writable_home(self, signed: Path) -> None:
        told = verify(signed, GUANJIA_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", GUANJIA_DATA_DIR="/nowhere")

        assert told.returncode == 0, told.stderr
        assert "compare the root key" in told.stdout

    async def test_one_fen_changed_gives_another_hash_and_is_refused_at_its_line(self, signed: Path) -> None:
        before = hash_in(verify(signed))
        told = verify(add_one_fen(signed))

        assert told.returncode == 1
        assert "REFUSED" in told.stderr
        # Two lines of one meal; which of them comes first is the journal's business.
        assert "Line 3:" in told.stderr or "Line 4:" in told.stderr
        assert before not in told.stdout

    async def test_a_whole_file_made_anew_with_another_fen_is_refused_by_the_signature(
        self, world: World, signed: Path
    ) -> None:
        before = hash_in(verify(signed))
        async with world.db.session() as session:
            made = await service.make_statement(session, StatementKind.REGION_PAIR, world.home, world.away, PERIOD)
            other = await service.write_file(session, made, "lines", "zh")
        other.path.rename(signed)
        told = verify(signed)

        assert told.returncode == 1
        assert "the signature is of another file" in told.stderr
        assert hash_in(told) != before

    async def test_a_stranger_s_root_key_is_not_enough(self, signed: Path) -> None:
        stranger = base64.b64encode(os.urandom(32)).decode()
        assert verify(signed, "--root-key", stranger).returncode == 1
        assert verify(signed, "--root-key", "nonsense").returncode not in (0, 1)
        assert verify(signed, "--trust-list", signed.with_name("trust.json")).returncode == 0

    async def test_without_a_signature_it_says_so_and_does_not_end_well(self, signed: Path) -> None:
        signature = signed.with_name("november.lines.sig")
        moved = signature.rename(signature.with_name("elsewhere.sig"))

        assert verify(signed).returncode == 2
        assert verify(signed, "--signature", moved).returncode == 0
