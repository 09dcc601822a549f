"""A call for help that becomes a repair: words, place, pictures, voices and messages come along, and the call ends with it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, person_summary, principal_of, today
from kernel.files import share_files
from kernel.ids import public_id
from realtime.calls.api import HandedCall, HandedMessage, HandOverTarget
from repairs.orders import queries
from repairs.orders.models import WorkOrder
from repairs.orders.notes import add_note
from repairs.orders.parties import Actor, actor_of
from repairs.orders.raising import Report, Spot, raise_order, spot_of_place
from repairs.orders.steps import ref_of

# What a kind of help is likely to be, by the code of a category.
_CATEGORY_OF = {"lift": "lift"}
_URGENCY_OF = {1: "normal", 2: "high"}


class RepairOfCall(HandOverTarget):
    """`hand_over` with the target `repair`."""

    name = "repair"
    name_zh = "维修工单"
    name_en = "Repair"

    async def take_over(self, session: AsyncSession, call: HandedCall, actor: Principal) -> str:
        """A work order of the caller's; of whoever hands it over, where a button on a wall has called."""
        raiser = await principal_of(session, call.caller_id, today()) if call.caller_id is not None else actor
        report = Report(
            spot=await _spot_of(session, call),
            words=call.words or call.place_text or self.name_zh,
            # A call becomes one order, however often it is handed over.
            client_id=call.call_id,
            category_id=await _category_of(session, call),
            urgency=_URGENCY_OF.get(call.urgency, "urgent"),
            call_id=call.call_id,
        )
        order = (await raise_order(session, actor_of(raiser), report)).order
        await share_files(session, call.file_ids, used_by=ref_of(order))
        await _bring_messages(session, order, call.messages)
        return ref_of(order)


async def _spot_of(session: AsyncSession, call: HandedCall) -> Spot:
    if call.place_id is not None:
        return await spot_of_place(session, call.place_id)
    return Spot(call.region_id, text=call.place_text)


async def _category_of(session: AsyncSession, call: HandedCall) -> UUID | None:
    found = await queries.category_by_code(session, _CATEGORY_OF.get(call.kind, ""))
    return found.id if found is not None else None


async def _bring_messages(session: AsyncSession, order: WorkOrder, messages: tuple[HandedMessage, ...]) -> None:
    people = await person_summary(session, list({message.author_id for message in messages})) if messages else {}
    for message in messages:
        name = people[message.author_id].name if message.author_id in people else ""
        author = Actor(public_id("per", message.author_id), name)
        note = await add_note(
            session,
            author,
            order,
            kind="note",
            words=message.words,
            files=[],
            client_id=message.message_id,
            happened_at=message.written_at,
            author_id=message.author_id,
        )
        if message.file_ids:
            await share_files(session, message.file_ids, used_by=public_id(queries.NOTE, note.id))
