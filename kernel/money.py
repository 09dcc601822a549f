"""Money: whole fen, Chinese yuan only. Yuan strings exist for people to read; no float touches money."""

from collections.abc import Sequence

AMOUNT_FEN_MAX = 1_000_000


def format_yuan(amount_fen: int, *, signed: bool = False) -> str:
    """`1800` -> `18.00`; with `signed`, `+18.00` or `-18.00`."""
    sign = "-" if amount_fen < 0 else "+" if signed else ""
    yuan, fen = divmod(abs(amount_fen), 100)
    return f"{sign}{yuan:,}.{fen:02d}"


def split_by_largest_remainder(total_fen: int, weights: Sequence[int]) -> list[int]:
    """Split a sum by weights so that the parts add up to it; ties go to the earlier part.

    1,001 by 1:1:1 is 334/334/333, 999 by 50:30:20 is 499/300/200.
    """
    whole = sum(weights)
    if whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights must be non-negative and not all zero")
    parts = [total_fen * weight // whole for weight in weights]
    remainders = [total_fen * weight % whole for weight in weights]
    missing = total_fen - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[:missing]:
        parts[index] += 1
    return parts
