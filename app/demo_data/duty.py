"""Who is on duty in the demo province: three teams with their rotas, a leave, a swap that waits, notes for the next shift."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from app.demo_data.people import Population, Resident
from app.demo_data.places import Places
from identity.api import Principal, Role, principal_of, today
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from kernel.settings import get_settings
from realtime.duty import notes, overriding, schemas, sign_ins, swaps, teams
from realtime.duty.api import shifts_between
from realtime.duty.rotations import Shift
from realtime.reaching.channels import change_channel, open_channel
from realtime.reaching.schemas import ChannelChange, ChannelRequest

_DAY_AND_NIGHT: Final = [{"starts": "08:00", "name": "白班"}, {"starts": "20:00", "name": "夜班"}]
_SINCE_DAYS: Final = 14


async def keep_a_rota(db: Database, places: Places, population: Population) -> None:
    """Whoever signs in as `duty` has the shift that runs, and has said so."""
    keeper = await _who(db, population.staff_id(Role.DISPATCHER))
    duty, technician = population.staff_id(Role.DUTY_STAFF), population.staff_id(Role.TECHNICIAN)
    known = {resident.id for resident, _ in population.staff} | {resident.id for resident in population.employees}
    room = [duty, *_staff_of(population, "U1", 3, known)]
    on_call = [technician, *_staff_of(population, "U2", 2, known)]
    desk = _staff_of(population, "U5", 2, known)
    begins = today() - timedelta(days=_SINCE_DAYS)
    team = await _open(db, keeper, places, "DP", ("值班室", "Duty Room"), "duty_staff", room)
    await _rotate(db, keeper, team, "日夜轮班", begins, _DAY_AND_NIGHT, _so_that_first_has_now(room, begins))
    repairs = await _open(db, keeper, places, "DP-HZ", ("维修值班", "Repairs on Call"), "technician", on_call)
    weeks = (today() - begins).days // 7
    turned = [on_call[(number - weeks) % len(on_call)] for number in range(len(on_call))]
    await _rotate(db, keeper, repairs, "每周一轮", begins, [{"starts": "00:00", "name": "待命"}], turned, turn_days=7)
    await _counter(db, keeper, places, desk, begins)
    await _change(db, keeper, team, room)
    await _name_a_robot(db, places, population, team)
    async with db.session() as session:
        await sign_ins.check_in(session, await principal_of(session, duty, today()))


async def _name_a_robot(db: Database, places: Places, population: Population, team: UUID) -> None:
    """Of the team's group; switched off, because its address is made up."""
    administrator = await _who(db, population.staff_id(Role.SYSTEM_ADMIN))
    wanted = ChannelRequest(
        kind="dingtalk",
        name="值班室钉钉群（示例）",
        region=public_id("reg", places.regions["DP"]),
        team=public_id("dty", team),
        address="https://oapi.dingtalk.com/robot/send?access_token=made-up-for-the-demo",
        secret="SEC-made-up-for-the-demo",  # noqa: S106  nobody's
    )
    async with db.session() as session:
        robot = await open_channel(session, administrator, wanted)
        await change_channel(session, administrator, robot.id, ChannelChange(is_enabled=False))


def _staff_of(population: Population, unit: str, count: int, without: set[UUID]) -> list[UUID]:
    def fits(resident: Resident) -> bool:
        return resident.unit == unit and resident.person_class == "staff" and resident.id not in without

    return [resident.id for resident in population.residents if fits(resident)][:count]


async def _who(db: Database, person_id: UUID) -> Principal:
    async with db.session() as session:
        return await principal_of(session, person_id, today())


async def _open(
    db: Database,
    keeper: Principal,
    places: Places,
    region: str,
    name: tuple[str, str],
    role: str,
    people: Sequence[UUID],
    **needed: Any,
) -> UUID:
    members = [{"person": public_id("per", person), "is_lead": person == people[0]} for person in people]
    wanted = schemas.DutyTeamRequest.model_validate(
        {
            "name_zh": name[0],
            "name_en": name[1],
            "region": public_id("reg", places.regions[region]),
            "role": role,
            "members": members,
            **needed,
        }
    )
    async with db.session() as session:
        return (await teams.open_team(session, keeper, wanted)).id


async def _rotate(
    db: Database,
    keeper: Principal,
    team: UUID,
    name: str,
    starts_on: date,
    slots: list[dict[str, Any]],
    people: Sequence[UUID],
    **turns: Any,
) -> None:
    wanted = schemas.RotationRequest.model_validate(
        {
            "name": name,
            "starts_on": starts_on,
            "slots": slots,
            "people": [public_id("per", person) for person in people],
            **turns,
        }
    )
    async with db.session() as session:
        await teams.start_rotation(session, keeper, team, wanted)


def _so_that_first_has_now(people: Sequence[UUID], begins: date) -> list[UUID]:
    """The order in which the first of them has the shift of this very hour: two shifts a day since `begins`."""
    local = clock.now().astimezone(get_settings().zone)
    since_eight = local - datetime.combine(begins, time(8), local.tzinfo)
    turn = since_eight // timedelta(hours=12)
    return [people[(number - turn) % len(people)] for number in range(len(people))]


async def _counter(db: Database, keeper: Principal, places: Places, people: Sequence[UUID], begins: date) -> None:
    """Office hours, with a hole: next week one of them is on leave, and nobody has been found yet."""
    hours = {"needed_weekdays": [1, 2, 3, 4, 5], "needed_from": "08:30", "needed_until": "17:30"}
    name = ("宁波服务台", "Ningbo Service Counter")
    team = await _open(db, keeper, places, "DP-NB", name, "duty_staff", people, **hours)
    weekdays = {"weekdays": [1, 2, 3, 4, 5]}
    slots: list[dict[str, Any]] = [
        {"starts": "08:30", "name": "白班", **weekdays},
        {"starts": "17:30", "is_staffed": False},
    ]
    await _rotate(db, keeper, team, "工作日轮班", begins, slots, people)
    shift = next(s for s in await _coming(db, team) if s.person_id == people[0] and s.starts_at > _in_days(2))
    await _override(db, keeper, team, shift, None, "年休假，待定替班")


async def _coming(db: Database, team: UUID) -> list[Shift]:
    async with db.session() as session:
        return await shifts_between(session, team, clock.now(), _in_days(14))


def _in_days(days: int) -> datetime:
    return clock.now().astimezone(UTC) + timedelta(days=days)


async def _override(
    db: Database, keeper: Principal, team: UUID, shift: Shift, person_in: UUID | None, reason: str
) -> None:
    wanted = schemas.OverrideRequest(
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        person_out=public_id("per", shift.person_id),
        person_in=public_id("per", person_in) if person_in else None,
        reason=reason,
    )
    async with db.session() as session:
        await overriding.add_override(session, keeper, team, wanted)


async def _change(db: Database, keeper: Principal, team: UUID, room: Sequence[UUID]) -> None:
    """Somebody is away one night, somebody asks for a swap, and the shift before has left word."""
    duty, second, third, fourth = room
    coming = [shift for shift in await _coming(db, team) if shift.starts_at > clock.now()]
    away = next(shift for shift in coming if shift.person_id == third)
    await _override(db, keeper, team, away, fourth if _is_free(coming, fourth, away) else second, "外出培训")
    asked = next(s for s in coming if s.person_id == second and s.starts_at > _in_days(1) and _is_free(coming, duty, s))
    async with db.session() as session:
        asker = await principal_of(session, second, today())
        await swaps.ask_swap(
            session,
            asker,
            schemas.SwapRequest(
                team=public_id("dty", team),
                shift=public_id("dsh", asked.base_id),
                starts_at=asked.starts_at,
                taker=public_id("per", duty),
                words="孩子学校开家长会，能不能替我这一班？",
            ),
        )
    await _leave_notes(db, team, third, duty)


def _is_free(coming: Sequence[Shift], person: UUID, shift: Shift) -> bool:
    return all(
        other.ends_at <= shift.starts_at or other.starts_at >= shift.ends_at
        for other in coming
        if other.person_id == person
    )


async def _leave_notes(db: Database, team: UUID, author: UUID, reader: UUID) -> None:
    words = (
        "3 号楼 2 号梯维保到明天 10 点，已挂牌。",
        "地下车库道闸偶尔不抬杆，已报修，先人工放行。",
        "大会议室话筒已换电池。",
    )
    written: list[UUID] = []
    for text in words:
        async with db.session() as session:
            writer = await principal_of(session, author, today())
            wanted = schemas.DutyNoteRequest(team=public_id("dty", team), words=text)
            written.append((await notes.write_note(session, writer, wanted)).id)
    async with db.session() as session:
        await notes.finish_note(session, await principal_of(session, reader, today()), written[-1])
