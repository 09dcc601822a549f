"""After every bench the books are audited: speed that loses a fen is none."""

from bench.rig import Rig
from payments.invariants import audit


async def refuse_unclean_books(rig: Rig) -> None:
    """Raise where an invariant does not hold."""
    async with rig.database.session() as session:
        broken = [finding for finding in await audit(session) if not finding.holds]
    if broken:
        raise RuntimeError("; ".join(f"{finding.invariant.name}: {finding.offenders[:2]}" for finding in broken))
