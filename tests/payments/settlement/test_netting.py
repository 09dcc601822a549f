"""Netting, pure: the three-region vector to the fen, and what holds of any set of debts."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kernel.money import split_by_largest_remainder
from payments.settlement.netting import Obligation, connected, gross_fen, net_positions, transfers

H, Q, Z = (UUID(int=number) for number in (1, 2, 3))
THREE_REGIONS = [
    Obligation(H, Q, 5_432_100),
    Obligation(Q, H, 4_987_600),
    Obligation(H, Z, 1_200_000),
    Obligation(Z, H, 1_750_500),
    Obligation(Q, Z, 640_000),
    Obligation(Z, Q, 980_300),
]

debts = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 10**12))
    .filter(lambda debt: debt[0] != debt[1])
    .map(lambda debt: Obligation(UUID(int=debt[0]), UUID(int=debt[1]), debt[2])),
    max_size=40,
)


class TestThreeRegions:
    def test_positions_are_those_written_down(self) -> None:
        assert gross_fen(THREE_REGIONS) == 14_990_500
        assert net_positions(THREE_REGIONS) == {H: 106_000, Q: 784_800, Z: -890_800}

    def test_less_than_six_per_cent_moves(self) -> None:
        moves = transfers(net_positions(THREE_REGIONS))
        assert moves == [Obligation(Z, H, 106_000), Obligation(Z, Q, 784_800)]
        assert gross_fen(moves) == 890_800
        assert round(1000 * (1 - 890_800 / 14_990_500)) == 941


class TestAnyDebts:
    @given(debts)
    def test_transfers_bring_every_position_to_zero(self, owed: list[Obligation]) -> None:
        positions = net_positions(owed)
        moves = transfers(positions)
        assert sum(positions.values()) == 0
        after = net_positions([*owed, *(Obligation(move.creditor, move.debtor, move.amount_fen) for move in moves)])
        assert set(after.values()) <= {0}
        assert all(move.amount_fen > 0 for move in moves)
        assert len(moves) <= max(0, len(positions) - 1)
        assert gross_fen(moves) <= gross_fen(owed)

    @given(debts, st.randoms(use_true_random=False))
    def test_the_order_in_which_debts_are_told_changes_nothing(self, owed: list[Obligation], random: object) -> None:
        shuffled = list(owed)
        random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's random.Random
        assert transfers(net_positions(shuffled)) == transfers(net_positions(owed))

    def test_only_regions_that_owe_each_other_are_netted_together(self) -> None:
        apart = [Obligation(H, Q, 5)]
        assert connected((H, Q, Z), apart, H) == {H, Q}
        assert connected((H, Q, Z), apart, Z) == {Z}
        assert connected((H, Q, Z), [*apart, Obligation(Z, Q, 1)], H) == {H, Q, Z}


class TestSplits:
    def test_the_vectors(self) -> None:
        assert split_by_largest_remainder(1_001, [1, 1, 1]) == [334, 334, 333]
        assert split_by_largest_remainder(999, [50, 30, 20]) == [499, 300, 200]

    @given(st.integers(-(10**12), 10**12), st.lists(st.integers(1, 10_000), min_size=1, max_size=8))
    def test_parts_sum_to_the_whole_also_of_what_was_given_back(self, total_fen: int, weights: list[int]) -> None:
        parts = split_by_largest_remainder(total_fen, weights)
        assert sum(parts) == total_fen
        whole = sum(weights)
        assert all(abs(part * whole - total_fen * weight) < whole for part, weight in zip(parts, weights, strict=True))
