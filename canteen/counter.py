"""Who may give money back at a till: the `CounterRule` of the canteens, registered in app/wiring.py.

Without a shift the till's own token is enough, unless the canteen says otherwise. In a shift somebody signs by PIN: for
the first void the cashier or a supervisor; for a refund, and for everything after the first return, a supervisor who is
not the shift's cashier.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from canteen.errors import ShiftNeeded, SupervisorNeeded, TillPinNeeded
from canteen.models import Canteen, ShiftReturn
from canteen.pins import verify_pin
from canteen.shifts import HeldShift, find_open_shift, hold_open_shift
from identity.api import Role, Terminal, principal_of, today
from kernel import clock
from kernel.db import Database
from payments.api import ReturnKind, SignOff, TillReturn


class CanteenCounter:
    """Implements `payments.counter_rule.CounterRule`."""

    async def verify(self, db: Database, terminal: Terminal, sign_off: SignOff) -> UUID | None:
        """Who signs: the one who is named, or the cashier whose shift is open."""
        person_id = sign_off.person_id
        if person_id is None:
            async with db.session() as session:
                shift = await find_open_shift(session, terminal.id)
            if shift is None:
                return None
            person_id = shift.cashier_id
        return (await verify_pin(db, person_id, sign_off.pin, terminal.site_id)).person_id

    async def allow_return(
        self, session: AsyncSession, terminal: Terminal, kind: ReturnKind, signed_by: UUID | None
    ) -> None:
        """Hold the shift, and see whether whoever signs may sign for this."""
        held = await hold_open_shift(session, terminal.id)
        if held is None:
            canteen = await session.get(Canteen, terminal.site_id)
            if canteen is not None and canteen.returns_need_shift:
                raise ShiftNeeded
            return
        by_supervisor = kind == "refund" or held.return_count > 0
        if signed_by is None:
            raise TillPinNeeded(who="supervisor" if by_supervisor else "cashier")
        if by_supervisor and not await _supervises(session, held, signed_by):
            raise SupervisorNeeded

    async def note_return(
        self, session: AsyncSession, terminal: Terminal, made: TillReturn, signed_by: UUID | None
    ) -> None:
        """The next line of the shift's returns."""
        held = await hold_open_shift(session, terminal.id)
        if held is None:
            return
        assert signed_by is not None, "allow_return let nobody pass without a signature"
        session.add(
            ShiftReturn(
                shift_id=held.shift.id,
                ordinal=held.return_count + 1,
                reversal_id=made.reversal_id,
                payment_id=made.payment_id,
                kind=made.kind,
                amount_fen=made.amount_fen,
                signed_by=signed_by,
                recorded_at=clock.now(),
            )
        )
        await session.flush()


async def _supervises(session: AsyncSession, held: HeldShift, signed_by: UUID) -> bool:
    if signed_by == held.shift.cashier_id:
        return False
    signer = await principal_of(session, signed_by, today())
    return signer.may(Role.CANTEEN_MANAGER, site_id=held.shift.canteen_id)
