"""HTTP of what administrators keep: escalation policies and buttons on walls."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal
from kernel import clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from realtime.calls import administration, queries, ringing, schemas, views
from realtime.calls.errors import PolicyUnsound
from realtime.calls.models import CallButton, CallPolicy
from realtime.calls.policies import choose_policy

router = APIRouter(tags=["calls"])
PolicyId = Annotated[str, Path(max_length=80)]
ButtonId = Annotated[str, Path(max_length=80)]


def _regions_of(person: Principal) -> set[UUID] | None:
    """Those whose policies and buttons somebody keeps; None: all. Forbidden for whom that is no business of."""
    if not person.holds(*administration.KEEPER_ROLES):
        raise Forbidden(roles=[role.value for role in administration.KEEPER_ROLES])
    cover = person.cover_of(*administration.KEEPER_ROLES)
    return set(cover.regions) if cover is not None else None


@router.get("/call_policies", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_policies(
    person: CurrentPerson,
    session: SessionDep,
    *,
    retired: Annotated[bool, Query(description="Those that count no more as well.")] = False,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.PolicyView]:
    """Of the regions that I keep, newest first."""
    query = queries.policies_at(_regions_of(person), also_retired=retired).limit(limit + 1)
    if starting_after is not None:
        query = query.where(CallPolicy.id < parse_public_id(queries.POLICY, starting_after))
    return page_of([_policy_view(row) for row in await session.scalars(query)], limit)


@router.post("/call_policies", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound, PolicyUnsound))
async def open_policy(body: schemas.PolicyBody, person: CurrentPerson, session: SessionDep) -> schemas.PolicyView:
    """A new one, for calls from now on. What would leave calls unanswered is refused, with every reason."""
    return _policy_view(await administration.open_policy(session, person, body))


@router.get("/call_policies/preview", responses=raises(Unauthenticated, Forbidden, NotFound))
async def preview_policy(
    person: CurrentPerson,
    session: SessionDep,
    region: Annotated[str, Query(max_length=80)],
    kind: schemas.Kind = "other",
    place: Annotated[str | None, Query(max_length=80)] = None,
) -> schemas.PolicyPreview:
    """Which policy a call from there would carry now, and whom each step would ring."""
    region_id = parse_public_id("reg", region)
    person.require(*administration.KEEPER_ROLES, region_id=region_id)
    place_id = parse_public_id("pla", place) if place is not None else None
    frozen = await choose_policy(session, region_id=region_id, place_id=place_id, kind=kind, at=clock.now())
    steps = [await _preview(session, step, region_id, place_id) for step in frozen.steps]
    return schemas.PolicyPreview(
        policy=public_id(queries.POLICY, frozen.policy_id) if frozen.policy_id else None,
        name=frozen.name,
        steps=steps,
        fallback=await _preview(session, frozen.fallback, region_id, place_id, also_off_duty=True),
    )


async def _preview(
    session: AsyncSession,
    step: schemas.PolicyStep,
    region_id: UUID,
    place_id: UUID | None,
    *,
    also_off_duty: bool = False,
) -> schemas.PolicyPreviewStep:
    rung = await ringing.find_rung(
        session, step, region_id=region_id, place_id=place_id, at=clock.now(), also_off_duty=also_off_duty
    )
    names = await views.names_of(session, rung.people)
    return schemas.PolicyPreviewStep(
        seconds=step.seconds,
        people=[views.somebody(names, person) for person in rung.people],
        screen=rung.is_public,
        is_empty=rung.is_empty,
    )


@router.put(
    "/call_policies/{policy_id}",
    responses=raises(Unauthenticated, Forbidden, NotFound, PolicyUnsound, StateConflict),
)
async def change_policy(
    policy_id: PolicyId, body: schemas.PolicyBody, person: CurrentPerson, session: SessionDep
) -> schemas.PolicyView:
    """For calls from now on; those under way keep the policy that they carry."""
    identifier = parse_public_id(queries.POLICY, policy_id)
    return _policy_view(await administration.change_policy(session, person, identifier, body))


@router.post("/call_policies/{policy_id}/retire", responses=raises(Unauthenticated, Forbidden, NotFound))
async def retire_policy(policy_id: PolicyId, person: CurrentPerson, session: SessionDep) -> schemas.PolicyView:
    """It counts no more."""
    identifier = parse_public_id(queries.POLICY, policy_id)
    return _policy_view(await administration.retire_policy(session, person, identifier))


def _policy_view(policy: CallPolicy) -> schemas.PolicyView:
    return schemas.PolicyView.model_validate(
        {
            "id": public_id(queries.POLICY, policy.id),
            "region": public_id("reg", policy.region_id),
            "place": public_id("pla", policy.place_id) if policy.place_id else None,
            "kind": policy.kind,
            "name": policy.name,
            "weekdays": policy.weekdays,
            "from_minute": policy.from_minute,
            "until_minute": policy.until_minute,
            "steps": policy.steps,
            "fallback": policy.fallback,
            "loops": policy.loops,
            "version": policy.version,
            "is_retired": policy.retired_at is not None,
            "changed_at": clock.rfc3339(policy.changed_at),
        }
    )


# ---- buttons


@router.get("/call_buttons", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_buttons(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.ButtonView]:
    """Of the regions that I keep, newest first, revoked ones too."""
    query = queries.buttons_at(_regions_of(person)).limit(limit + 1)
    if starting_after is not None:
        query = query.where(CallButton.id < parse_public_id(queries.BUTTON, starting_after))
    return page_of([_button_view(row) for row in await session.scalars(query)], limit)


@router.post("/call_buttons", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def open_button(body: schemas.ButtonBody, person: CurrentPerson, session: SessionDep) -> schemas.NewButtonView:
    """A button and its token, shown this once: `Authorization: Bearer <token>` on `POST /v1/calls`."""
    button, token = await administration.open_button(session, person, body)
    return schemas.NewButtonView(**_button_view(button).model_dump(), token=token)


@router.post("/call_buttons/{button_id}/revoke", responses=raises(Unauthenticated, Forbidden, NotFound))
async def revoke_button(button_id: ButtonId, person: CurrentPerson, session: SessionDep) -> schemas.ButtonView:
    """Its token is worth nothing from now on."""
    identifier = parse_public_id(queries.BUTTON, button_id)
    return _button_view(await administration.revoke_button(session, person, identifier))


def _button_view(button: CallButton) -> schemas.ButtonView:
    return schemas.ButtonView.model_validate(
        {
            "id": public_id(queries.BUTTON, button.id),
            "region": public_id("reg", button.region_id),
            "place": public_id("pla", button.place_id) if button.place_id else None,
            "place_text": button.place_text,
            "kind": button.kind,
            "name": button.name,
            "is_revoked": button.revoked_at is not None,
            "last_pressed_at": clock.rfc3339(button.last_pressed_at) if button.last_pressed_at else None,
            "created_at": clock.rfc3339(button.created_at),
        }
    )
