"""The line file by itself: what is written is read back, and what was touched is refused, at its line."""

import base64
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.credentials.trust import public_bytes
from payments.settlement.statements import signatures
from payments.settlement.statements.line_file import LineFileReader, LineFileWriter, StatementBroken, Totals, verify
from payments.settlement.statements.signatures import SignatureRefused, check_signature
from payments.settlement.statements.statement import Party, Statement, StatementKind, StatementLine

CANTEEN = UUID(int=7 << 64)
PAYABLE = f"payable:{CANTEEN.hex}"
REGION = Party(UUID(int=1), "reg", "330100", "杭州", "Hangzhou")
NOON = datetime(2026, 11, 3, 4, 0, 0, 123000, tzinfo=UTC)

uuids = st.uuids()
entries = st.lists(
    st.tuples(
        st.integers(1, 10**9),
        st.sampled_from(
            [("subsidy", PAYABLE), ("cash", PAYABLE), (PAYABLE, "cash"), ("due_from:" + "a" * 32, PAYABLE)]
        ),
        st.sampled_from(["payment", "void", "refund", "guest_payment"]),
        st.integers(0, 29),
        uuids,
        st.one_of(st.none(), uuids),
    ),
    max_size=12,
    unique_by=lambda entry: (entry[3], entry[4]),
)


def lines_of(found: list[tuple[int, tuple[str, str], str, int, UUID, UUID | None]]) -> list[StatementLine]:
    """Statement lines in the order of their days and names."""
    ordered = sorted(found, key=lambda entry: (entry[3], entry[4].hex))
    return [
        StatementLine(
            *(number, number % 3, number, transfer, 0, kind, date(2026, 11, 1) + timedelta(days=day)),
            *(NOON + timedelta(days=day, seconds=number), *accounts, amount_fen, reference, CANTEEN),
        )
        for number, (amount_fen, accounts, kind, day, transfer, reference) in enumerate(ordered, start=1)
    ]


def statement_of(lines: list[StatementLine]) -> Statement:
    totals = Totals()
    for line in lines:
        totals.add(line)
    return Statement(
        kind=StatementKind.CANTEEN,
        region=REGION,
        subject=Party(CANTEEN, "can", "C1", "一食堂", "First canteen"),
        period="2026-11",
        zone="Asia/Shanghai",
        vector={0: 99, 1: 99, 2: 99},
        chain={0: "00" * 32, 1: "11" * 32, 2: "22" * 32},
        final=True,
        accounts=(PAYABLE,),
        totals={account: (debit, credit) for account, (debit, credit) in totals.accounts.items()},
        count=totals.count,
        total_fen=totals.total_fen,
    )


def written(lines: list[StatementLine]) -> bytes:
    target = io.BytesIO()
    writer = LineFileWriter(target, statement_of(lines))
    writer.write_all(lines)
    writer.close()
    return target.getvalue()


def month() -> list[StatementLine]:
    """Three lines that every test may spoil."""
    day = (1800, ("subsidy", PAYABLE), "payment", 2)
    return lines_of([(*day, UUID(int=n << 80), None) for n in (1, 2, 3)])


class TestWhatIsWritten:
    @given(entries)
    @settings(max_examples=60, deadline=None)
    def test_is_read_back_with_the_same_lines_and_totals(self, found: list[tuple[object, ...]]) -> None:
        lines = lines_of(found)  # type: ignore[arg-type]  # hypothesis types a tuple of strategies loosely
        content = written(lines)
        reader = LineFileReader(io.BytesIO(content))

        assert list(reader.lines()) == lines
        statement = statement_of(lines)
        assert reader.header == statement.header()
        assert reader.verified == verify(io.BytesIO(content))
        assert sum(line.gain_fen("payable") for line in lines) == statement.gain_fen(PAYABLE)

    @given(entries, st.data())
    @settings(max_examples=150, deadline=None)
    def test_with_any_one_byte_flipped_is_refused(self, found: list[tuple[object, ...]], data: st.DataObject) -> None:
        content = bytearray(written(lines_of(found)))  # type: ignore[arg-type]  # as above
        at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
        content[at] ^= 1 << bit

        with pytest.raises(StatementBroken):
            verify(io.BytesIO(bytes(content)))

    def test_cannot_be_cut_short_or_lengthened(self) -> None:
        content = written(month())

        for end in range(len(content)):
            with pytest.raises(StatementBroken):
                verify(io.BytesIO(content[:end]))
        with pytest.raises(StatementBroken):
            verify(io.BytesIO(content + b"\n"))

    def test_a_lot_that_goes_on_as_another_is_a_line_like_others(self) -> None:
        line = month()[0]._replace(debit="subsidy", credit="subsidy", kind="carry_over")
        statement = replace(statement_of([line]), accounts=("subsidy",))
        target = io.BytesIO()
        writer = LineFileWriter(target, statement)
        writer.write(line)
        writer.close()

        assert verify(io.BytesIO(target.getvalue())).header == statement.header()
        assert line.gain_fen("subsidy") == 0

    def test_is_refused_by_the_writer_where_the_header_speaks_of_other_lines(self) -> None:
        lines = month()
        writer = LineFileWriter(io.BytesIO(), statement_of(lines))
        writer.write_all(lines[:-1])

        with pytest.raises(AssertionError):
            writer.close()


class TestFirstWrongLine:
    def test_a_changed_fen_names_its_line(self) -> None:
        content = written(month()).replace(b",1800,", b",1801,", 2).replace(b",1801,", b",1800,", 1)

        with pytest.raises(StatementBroken) as refused:
            verify(io.BytesIO(content))
        assert refused.value.line_number == 4

    def test_one_who_makes_all_checks_anew_is_found_by_the_totals(self) -> None:
        lines = month()
        forged = [lines[0], lines[1]._replace(amount_fen=1801), lines[2]]
        target = io.BytesIO()
        writer = LineFileWriter(target, statement_of(lines))
        writer._totals = Totals()
        writer.write_all(forged)
        writer._totals = _totals_of(lines)
        writer.close()

        with pytest.raises(StatementBroken, match=r"totals|count or total"):
            verify(io.BytesIO(target.getvalue()))

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda lines: [lines[1], lines[0], lines[2]], "out of order"),
            (lambda lines: [lines[0], lines[0], lines[2]], "out of order"),
            (lambda lines: [lines[0]._replace(debit="cash", credit="subsidy"), *lines[1:]], "none of the statement's"),
            (lambda lines: [lines[0]._replace(n=100), *lines[1:]], "place in the journal"),
            (lambda lines: [lines[0]._replace(amount_fen=0), *lines[1:]], "place in the journal"),
        ],
    )
    def test_lines_that_cannot_be_are_refused_though_their_checks_are_right(self, spoil: object, words: str) -> None:
        lines = spoil(month())  # type: ignore[operator]  # one of the lambdas above

        with pytest.raises(StatementBroken, match=words):
            verify(io.BytesIO(written(lines)))


def _totals_of(lines: list[StatementLine]) -> Totals:
    found = Totals()
    for line in lines:
        found.add(line)
    return found


class TestSignature:
    """A signature as `sign_file` makes it, from keys of this test."""

    @pytest.fixture
    def keys(self) -> tuple[Ed25519PrivateKey, Ed25519PrivateKey]:
        return Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    def made(
        self, keys: tuple[Ed25519PrivateKey, Ed25519PrivateKey], sha256: str, **changed: object
    ) -> dict[str, object]:
        root, region = keys
        key = {
            "kid": 3,
            "suite": 1,
            "public_key": base64.b64encode(public_bytes(region)).decode(),
            "region": "reg_" + "0" * 32,
            "not_before": int(NOON.timestamp()) - 60,
            "not_after": int(NOON.timestamp()) + 60,
        }
        signed = {"kid": 3, "region": key["region"], "sha256": sha256, "signed_at": "2026-11-03T04:00:00.000Z"}
        signed |= changed
        return {
            "version": 1,
            "signed": signed,
            "signature": signatures.encode(region.sign(signatures.statement_message(signed))),
            "key": key,
            "key_signature": signatures.encode(root.sign(signatures.key_message(key))),
            "root_key": signatures.encode(public_bytes(root)),
        }

    def test_tells_whose_it_is(self, keys: tuple[Ed25519PrivateKey, Ed25519PrivateKey]) -> None:
        origin = check_signature(rfc8785.dumps(self.made(keys, "ab")), "ab", root_key=public_bytes(keys[0]))  # type: ignore[arg-type]  # plain JSON

        assert (origin.kid, origin.region, origin.pinned) == (3, "reg_" + "0" * 32, True)
        assert not check_signature(rfc8785.dumps(self.made(keys, "ab")), "ab").pinned  # type: ignore[arg-type]  # as above

    def test_is_refused_for_another_hash_root_key_or_time(
        self, keys: tuple[Ed25519PrivateKey, Ed25519PrivateKey]
    ) -> None:
        good, stranger = self.made(keys, "ab"), public_bytes(Ed25519PrivateKey.generate())
        late = self.made(keys, "ab", signed_at="2026-11-03T04:01:00.000Z")
        other = self.made(keys, "ab", region="reg_" + "1" * 32)
        forged = good | {"key": {**good["key"], "not_after": 2**40}}  # type: ignore[dict-item]  # plain JSON

        for signature, sha256, root_key in (
            (good, "ac", None),
            (good, "ab", stranger),
            (late, "ab", None),
            (other, "ab", None),
            (forged, "ab", None),
            ({}, "ab", None),
        ):
            with pytest.raises(SignatureRefused):
                check_signature(rfc8785.dumps(signature), sha256, root_key=root_key)  # type: ignore[arg-type]  # as above

    def test_a_trust_list_must_be_of_the_same_root(self, keys: tuple[Ed25519PrivateKey, Ed25519PrivateKey]) -> None:
        good = rfc8785.dumps(self.made(keys, "ab"))  # type: ignore[arg-type]  # plain JSON

        def listed(root: Ed25519PrivateKey) -> bytes:
            content: dict[str, object] = {"keys": [], "version": 0}
            signature = root.sign(b"HZT1" + rfc8785.dumps(content))  # type: ignore[arg-type]  # plain JSON
            return rfc8785.dumps(content | {"signature": signatures.encode(signature)})  # type: ignore[arg-type]  # as above

        assert check_signature(good, "ab", trust_list=listed(keys[0])).pinned
        with pytest.raises(SignatureRefused):
            check_signature(good, "ab", trust_list=listed(Ed25519PrivateKey.generate()))
