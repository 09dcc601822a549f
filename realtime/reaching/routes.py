"""HTTP of reaching: channels for administrators, devices for their owners, receipts for gateways."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import ValidationError

from identity.api import CurrentPerson, Role
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, uuid7
from realtime.reaching import devices, queries, receipts, schemas, views
from realtime.reaching.channels import CHANNEL_PREFIX, change_channel, open_channel
from realtime.reaching.courier import DELIVERY_PREFIX
from realtime.reaching.errors import AddressNotAllowed, BadReceipt, TooManyDevices
from realtime.reaching.kinds import ROBOTS, Kind
from realtime.reaching.service import reach
from realtime.reaching.targets import Target, Words

router = APIRouter(prefix="/v1", tags=["reaching"])
Id = Annotated[str, Path(max_length=80)]
RECEIPT_BYTES_MAX = 4096
_TEST = Words(
    "线路测试", "Test of the line", "看到这条消息，说明这条线路是通的。", "This message says that the line works."
)


@router.get("/reaching/channels", responses=raises(Unauthenticated, Forbidden))
async def list_channels(person: CurrentPerson, session: SessionDep) -> Page[schemas.ChannelView]:
    """Robots and gateways of the regions that I administer."""
    if not person.holds(Role.SYSTEM_ADMIN):
        raise Forbidden(roles=[Role.SYSTEM_ADMIN.value])
    cover = person.cover_of(Role.SYSTEM_ADMIN)
    found = await queries.list_channels(session, cover.regions if cover is not None else None)
    return Page(data=await views.channel_views(session, found), has_more=False)


@router.post(
    "/reaching/channels", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound, AddressNotAllowed)
)
async def add_channel(body: schemas.ChannelRequest, person: CurrentPerson, session: SessionDep) -> schemas.ChannelView:
    """A robot of a group, or a gateway to telephones. Its address and secret are never told again."""
    return (await views.channel_views(session, [await open_channel(session, person, body)]))[0]


@router.patch(
    "/reaching/channels/{channel_id}",
    responses=raises(Unauthenticated, Forbidden, NotFound, AddressNotAllowed, StateConflict),
)
async def edit_channel(
    channel_id: Id, body: schemas.ChannelChange, person: CurrentPerson, session: SessionDep
) -> schemas.ChannelView:
    """Name, address, secret, in use or not."""
    channel = await change_channel(session, person, parse_public_id(CHANNEL_PREFIX, channel_id), body)
    return (await views.channel_views(session, [channel]))[0]


@router.post(
    "/reaching/channels/{channel_id}/ring",
    status_code=202,
    responses=raises(Unauthenticated, Forbidden, NotFound),
)
async def ring_channel(channel_id: Id, person: CurrentPerson, session: SessionDep) -> schemas.ReachDeliveryView:
    """Let a robot say that it works. A gateway's ways are proved by its people's test rings."""
    channel = await queries.lock_channel(session, parse_public_id(CHANNEL_PREFIX, channel_id))
    person.require(Role.SYSTEM_ADMIN, region_id=channel.region_id)
    if Kind(channel.kind) not in ROBOTS or channel.state != "enabled":
        raise Malformed(reason="only a robot that is in use can say something by itself", field="channel_id")
    (delivery,) = await reach(
        session, target=Target(channel_id=channel.id), text=_TEST, ref=f"test:{uuid7().hex}", urgent=False
    )
    return views.delivery_view(await queries.lock_delivery(session, delivery))


@router.get("/reaching/deliveries", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_deliveries(
    person: CurrentPerson,
    session: SessionDep,
    channel: Annotated[str, Query(max_length=80, description="Of this channel.")],
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.ReachDeliveryView]:
    """What a channel was asked to say, newest first, and what came of it."""
    found = await queries.lock_channel(session, parse_public_id(CHANNEL_PREFIX, channel))
    person.require(Role.SYSTEM_ADMIN, region_id=found.region_id)
    before = parse_public_id(DELIVERY_PREFIX, starting_after) if starting_after else None
    rows = await queries.list_deliveries(session, limit=limit, before=before, channel_id=found.id, person_id=None)
    return page_of([views.delivery_view(row) for row in rows], limit)


@router.post("/reaching/receipts", status_code=204, responses=raises(BadReceipt, StateConflict))
async def take_receipt(
    request: Request,
    session: SessionDep,
    timestamp: Annotated[str, Header(alias="Guanjia-Timestamp", max_length=20)] = "",
    signature: Annotated[str, Header(alias="Guanjia-Signature", max_length=200)] = "",
) -> Response:
    """A gateway says what became of a message: `{"delivery", "status": "delivered" | "failed", "reason"?}`, signed as ours are."""
    body = await request.body()
    if len(body) > RECEIPT_BYTES_MAX:
        raise Malformed(reason="a receipt is short", field="body")
    receipt = _receipt_of(body)
    await receipts.take_receipt(
        session,
        parse_public_id(DELIVERY_PREFIX, receipt.delivery),
        receipt.status,
        receipt.reason,
        timestamp=timestamp,
        given=signature,
        body=body,
    )
    return Response(status_code=204)


def _receipt_of(body: bytes) -> schemas.Receipt:
    try:
        return schemas.Receipt.model_validate(msgspec.json.decode(body))
    except (msgspec.DecodeError, ValidationError):
        raise Malformed(reason="delivery and status are needed, as JSON", field="body") from None


# ---- mine


@router.get("/me/push_key", responses=raises(Unauthenticated))
async def show_push_key(person: CurrentPerson, session: SessionDep) -> schemas.PushKeyView:  # noqa: ARG001  signed in is enough
    """What a browser's push subscription must name as its `applicationServerKey`."""
    return schemas.PushKeyView(public_key=(await devices.push_key(session)).public_key)


@router.get("/me/push_devices", responses=raises(Unauthenticated))
async def list_devices(person: CurrentPerson, session: SessionDep) -> Page[schemas.DeviceView]:
    """My browsers that may be notified."""
    found = await queries.devices_of(session, [person.person_id])
    return Page(data=await views.device_views(session, found), has_more=False)


@router.post("/me/push_devices", status_code=201, responses=raises(Unauthenticated, AddressNotAllowed, TooManyDevices))
async def add_device(body: schemas.DeviceRequest, person: CurrentPerson, session: SessionDep) -> schemas.DeviceView:
    """Notify this browser while no page of mine is open; sent again, it changes nothing."""
    return (await views.device_views(session, [await devices.add_device(session, person.person_id, body)]))[0]


@router.delete("/me/push_devices/{device_id}", status_code=204, responses=raises(Unauthenticated, NotFound))
async def remove_device(device_id: Id, person: CurrentPerson, session: SessionDep) -> Response:
    """Notify it no more."""
    await devices.remove_device(session, person.person_id, parse_public_id(views.DEVICE_PREFIX, device_id))
    return Response(status_code=204)


@router.post("/me/deliveries/{delivery_id}/shown", status_code=204, responses=raises(Unauthenticated, NotFound))
async def note_shown(delivery_id: Id, person: CurrentPerson, session: SessionDep) -> Response:
    """The service worker has put the notice before my eyes."""
    await receipts.note_shown(session, person.person_id, parse_public_id(DELIVERY_PREFIX, delivery_id))
    return Response(status_code=204)
