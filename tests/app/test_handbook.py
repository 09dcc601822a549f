"""The pages that are made from the code hold what they promise to hold."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from app import generate
from app.glossary import SECTIONS
from app.handbook.glossary import classes_to_explain
from app.handbook.pay_code import BUCKET, CLAIMS, SECRET, vector
from app.handbook.states import MACHINES, Machine, diagram, matrix
from app.handbook.tables import table_rows
from kernel.db import Database
from payments.credentials.pay_code_format import CLAIMS_LENGTH, decode_d17, read_p1, unpack_claims

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_POSTING = re.compile(r"`([^`]+)` ([+-][\d,]+)")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


class TestGlossary:
    def test_explains_every_table_and_every_event(self) -> None:
        explained = {name for terms in SECTIONS.values() for term in terms for name in term.names}

        # Events of tests, if one has been imported, are nobody's trade.
        ours = {name for name, found in classes_to_explain().items() if not found.__module__.startswith("tests.")}

        assert sorted(ours - explained) == []
        assert "Payment" in ours and "PaymentSucceeded" in ours  # noqa: PT018  else this test looks at nothing

    def test_names_each_thing_once(self) -> None:
        names = [name for terms in SECTIONS.values() for term in terms for name in term.names]

        assert sorted(name for name in set(names) if names.count(name) > 1) == []

    def test_each_word_has_a_meaning(self) -> None:
        documented = classes_to_explain()
        without = [
            term.en
            for terms in SECTIONS.values()
            for term in terms
            if not term.meaning and not any(name in documented and documented[name].__doc__ for name in term.names)
        ]

        assert without == []


class TestStates:
    @pytest.mark.parametrize(
        "machine",
        [pytest.param(machine, id=name) for machines in MACHINES.values() for name, machine in machines.items()],
    )
    def test_every_step_is_drawn_in_matrix_and_diagram(self, machine: Machine) -> None:
        drawn = diagram(machine)
        rows = {row.split("**")[1]: row for row in matrix(machine).splitlines()[2:]}

        for (before, trigger), after in machine.items():
            assert re.search(rf"{before} --> {after}: .*\b{trigger}\b", drawn), (before, trigger)
            assert after in rows[before]


class TestTables:
    async def test_every_table_of_a_migrated_database_is_on_the_page(self, db: Database) -> None:
        async with db.session() as session:
            found = await session.scalars(
                text("""
                    SELECT relname FROM pg_class
                     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
                       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
                """)
            )

        assert {row[1].strip("`") for row in table_rows()} == set(found) - {"alembic_version"}


class TestPayCode:
    def test_the_vector_is_read_back_by_anybody_who_knows_the_public_key(self) -> None:
        found = vector()
        block = decode_d17(found["P2"])
        claims, signature = block[:CLAIMS_LENGTH], block[CLAIMS_LENGTH:]

        # Raises where the signature is not that of the claims.
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(found["public key"])).verify(signature, b"HZC1" + claims)
        assert unpack_claims(claims) == CLAIMS
        assert read_p1(found["P1"]) == (BUCKET, SECRET)
        assert hashlib.sha256(block).hexdigest()[:16] == found["spend_key"]
        assert len(found["text"]) == 220

    @pytest.mark.parametrize("digits", ["256", "72057594037927936", "1", "12", "65536", "00066051x"])
    def test_what_the_page_says_is_refused_is_refused(self, digits: str) -> None:
        with pytest.raises(ValueError, match="D17"):
            decode_d17(digits)


class TestPages:
    def test_every_link_to_a_file_leads_somewhere(self) -> None:
        broken = [
            f"{page.relative_to(ROOT)}: {target}"
            for page in PAGES
            for target in _LINK.findall(page.read_text(encoding="utf-8"))
            if not (page.parent / target).exists()
        ]

        assert broken == []

    def test_every_page_that_says_it_was_made_is_made(self) -> None:
        """Else somebody would wait for `make generate` to change it."""
        made = {generator.path for generator in generate.GENERATORS}
        claiming = {str(page.relative_to(ROOT)) for page in PAGES if "Made from the code" in page.read_text()}

        assert claiming <= made


class TestBooks:
    def test_each_event_of_the_worked_example_sums_to_zero_and_they_add_up_to_its_end(self) -> None:
        rows, end, later = _events_of_the_worked_example()
        totals: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for row in rows:
            for book, total in zip(row, totals, strict=True):
                for account, amount_fen in book.items():
                    total[account] += amount_fen

        assert len(rows) == 8
        assert [sum(book.values()) for row in [*rows, *later] for book in row if sum(book.values())] == []
        assert [{account: fen for account, fen in total.items() if fen} for total in totals] == end


def _events_of_the_worked_example() -> tuple[
    list[list[dict[str, int]]], list[dict[str, int]], list[list[dict[str, int]]]
]:
    """What each row of docs/books.md books in each region's book; where they end; and what is told after that."""
    lines = (ROOT / "docs" / "books.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith(("| E", "| **in the end**"))]
    books = [[_sums(_POSTING.findall(cell)) for cell in row[1:3]] for row in rows]
    end = next(at for at, row in enumerate(rows) if "in the end" in row[0])
    return books[:end], books[end], books[end + 1 :]


def _sums(postings: list[tuple[str, str]]) -> dict[str, int]:
    """What was booked on each account; one may be named twice."""
    sums: dict[str, int] = {}
    for account, fen in postings:
        sums[account] = sums.get(account, 0) + int(fen.replace(",", ""))
    return sums
