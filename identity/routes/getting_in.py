"""Activation slips, second factors, and the campus's own sign-in."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from identity import activation, campus, password_reset, second_factor, sign_in
from identity.access import CurrentPerson, CurrentPersonApart
from identity.activation import Slip
from identity.errors import (
    ActivationUnknown,
    CampusFailed,
    CampusNeedsSecondFactor,
    CampusUnknown,
    PasswordTooWeak,
    SamePerson,
    SignInGone,
    SignInLocked,
    SlipFromAnother,
    WrongCredentials,
    WrongSecondFactor,
)
from identity.getting_in_schemas import (
    ActivatedView,
    ActivationCode,
    ActivationUse,
    ActivationView,
    CampusOption,
    CodeForToken,
    EnrolmentView,
    NewSlips,
    OwnPassword,
    PasswordResetAnswer,
    PasswordResetAsked,
    PendingToken,
    RecoveryCodes,
    SecondFactorView,
    SignedIn,
    SignedInWithCodes,
    SignInOptions,
    Slips,
    SlipView,
    TypedSecondFactor,
)
from identity.kinds import Role
from identity.queries import mask_name
from identity.routes.sessions import set_session_cookie, signed_in_fields
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import (
    Forbidden,
    Malformed,
    NotFound,
    StateConflict,
    TooManyRequests,
    TryAgain,
    Unauthenticated,
)
from kernel.http import raises
from kernel.ids import parse_public_id, public_id
from kernel.qr import qr_svg
from kernel.settings import get_settings

router = APIRouter(tags=["sign-in"])
_CODE = raises(WrongSecondFactor, SignInGone, SignInLocked)
# The cookies of a way through the campus's sign-in: that it is the same browser that comes back, and what it fetches.
BROWSER_COOKIE = "guanjia_campus"
PAGE_COOKIE = "guanjia_page"
_COOKIE_PATH = "/v1/sessions"


@router.get("/v1/sign_in_options")
async def get_sign_in_options() -> SignInOptions:
    """How one may sign in beside a name and a password."""
    settings = get_settings()
    offered = settings.oidc_issuer is not None
    campus_option = CampusOption(name=settings.oidc_name, path="/v1/sessions/campus") if offered else None
    return SignInOptions(campus=campus_option, password_reset=password_reset.is_offered())


@router.post("/v1/password_resets", status_code=202, responses=raises(NotFound, TooManyRequests))
async def post_password_reset(body: PasswordResetAsked, request: Request, db: DatabaseDep) -> PasswordResetAnswer:
    """A password was forgotten: a link goes to the mail address of whoever has this name. It leads to `/activate`.

    The answer is the same for every name; 404 where this installation sends no mail.
    """
    await password_reset.ask_for_reset(db, body.username, _address(request))
    return PasswordResetAnswer()


# ---- the second factor


@router.post("/v1/sessions/second_factor", status_code=201, responses=_CODE)
async def post_second_factor(body: CodeForToken, response: Response, db: DatabaseDep) -> SignedIn:
    """The second half of a sign-in: a code from the authenticator, or a recovery code."""
    signed_in = await sign_in.finish_with_code(db, body.token, body.code)
    set_session_cookie(response, signed_in)
    return SignedIn(**signed_in_fields(signed_in))


@router.post("/v1/sessions/enrolment", responses=raises(SignInGone, StateConflict))
async def post_pending_enrolment(body: PendingToken, session: SessionDep) -> EnrolmentView:
    """For whom a second factor is required and who has none: what the authenticator is told."""
    return _enrolment(await sign_in.begin_pending_enrolment(session, body.token))


@router.post("/v1/sessions/enrolment/confirm", status_code=201, responses=_CODE | raises(StateConflict))
async def post_pending_confirmation(body: CodeForToken, response: Response, db: DatabaseDep) -> SignedInWithCodes:
    """The first code from the new authenticator signs in; the recovery codes are shown this once."""
    signed_in, recovery_codes = await sign_in.finish_with_enrolment(db, body.token, body.code)
    set_session_cookie(response, signed_in)
    return SignedInWithCodes(**signed_in_fields(signed_in), recovery_codes=recovery_codes)


@router.get("/v1/me/second_factor", responses=raises(Unauthenticated))
async def get_second_factor(person: CurrentPerson, session: SessionDep) -> SecondFactorView:
    """Whether one has a second factor."""
    factor = await second_factor.find_factor(session, person.person_id)
    left = len(factor.recovery_hashes) if factor else 0
    return SecondFactorView(enrolled=factor is not None, recovery_codes_left=left)


@router.post(
    "/v1/me/second_factor",
    responses=raises(Unauthenticated, WrongCredentials, SignInLocked, StateConflict, TryAgain),
)
async def post_own_enrolment(body: OwnPassword, person: CurrentPersonApart, db: DatabaseDep) -> EnrolmentView:
    """Set a second factor up; from its first code on it is required at every sign-in."""
    return _enrolment(await sign_in.enrol_signed_in(db, person, body.password))


@router.post(
    "/v1/me/second_factor/confirm",
    status_code=201,
    responses=raises(Unauthenticated, WrongSecondFactor, SignInLocked, StateConflict),
)
async def post_own_confirmation(body: TypedSecondFactor, person: CurrentPersonApart, db: DatabaseDep) -> RecoveryCodes:
    """The first code from the new authenticator. The recovery codes are shown this once."""
    return RecoveryCodes(recovery_codes=await second_factor.confirm_enrolment(db, person.person_id, body.code))


def _enrolment(enrolment: second_factor.Enrolment) -> EnrolmentView:
    return EnrolmentView(secret=enrolment.secret, uri=enrolment.uri, qr_svg=enrolment.qr_svg)


# ---- activation slips


@router.post(
    "/v1/activations",
    status_code=201,
    responses=raises(Unauthenticated, NotFound, Forbidden, SamePerson, SlipFromAnother),
)
async def post_activations(body: NewSlips, request: Request, person: CurrentPerson, session: SessionDep) -> Slips:
    """Slips to print: with each, one person chooses their own password. Earlier slips of theirs are worth nothing."""
    if (body.people is None) == (body.organisation is None):
        raise Malformed(reason="people or organisation: one of them", field="people")
    if body.organisation is not None:
        organisation_id = parse_public_id("org", body.organisation)
        person.require(Role.SYSTEM_ADMIN, organisation_id=organisation_id)
        ids = await activation.people_without_password(session, organisation_id)
    else:
        ids = [parse_public_id("per", who) for who in body.people or ()]
    some, more = ids[: activation.SLIPS_MAX], len(ids) > activation.SLIPS_MAX
    slips = await activation.issue_slips(session, person, some) if some else []
    return Slips(data=[_slip(slip, _public_address(request)) for slip in slips], more=more)


@router.post("/v1/activations/show", responses=raises(ActivationUnknown, TooManyRequests))
async def post_activation_shown(body: ActivationCode, request: Request, db: DatabaseDep) -> ActivationView:
    """Whose slip this is. By POST, so that the code stands in no log."""
    found = await activation.show_activation(db, body.code, _address(request))
    return ActivationView(name=mask_name(found.name), username=found.username, expires_at=found.expires_at)


@router.post("/v1/activations/use", responses=raises(ActivationUnknown, TooManyRequests, PasswordTooWeak, TryAgain))
async def post_activation_used(body: ActivationUse, request: Request, db: DatabaseDep) -> ActivatedView:
    """Set one's password. The slip is used up, and one signs in as usual."""
    return ActivatedView(username=await activation.use_activation(db, body.code, body.password, _address(request)))


def _slip(slip: Slip, address: str) -> SlipView:
    link = f"{address}/activate/{slip.code}"
    return SlipView(
        person=public_id("per", slip.person_id),
        name=slip.name,
        staff_number=slip.staff_number,
        organisation_zh=slip.organisation_zh,
        organisation_en=slip.organisation_en,
        username=slip.username,
        code=slip.code,
        link=link,
        qr_svg=qr_svg(link),
        expires_at=slip.expires_at,
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _public_address(request: Request) -> str:
    return (get_settings().public_url or str(request.base_url)).rstrip("/")


# ---- the campus's own sign-in


ReturnTo = Annotated[str, Query(pattern=r"^/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?$", max_length=100)]


@router.get("/v1/sessions/campus", response_class=RedirectResponse, status_code=303, responses=raises(NotFound))
async def get_campus(request: Request, db: DatabaseDep, return_to: ReturnTo = "/") -> RedirectResponse:
    """Go to the campus's sign-in, and from there back to a page of ours."""
    try:
        way = await campus.begin(db, _callback(request), return_to)
    except CampusFailed as failure:
        return _back(return_to, sign_in_failed=failure.code)
    answer = RedirectResponse(way.address, status_code=303)
    _set_cookie(answer, BROWSER_COOKIE, way.browser, campus.LIFE_S)
    return answer


@router.get(
    "/v1/sessions/campus/callback", response_class=RedirectResponse, status_code=303, responses=raises(NotFound)
)
async def get_campus_callback(
    request: Request,
    db: DatabaseDep,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str | None, Query(max_length=4000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> RedirectResponse:
    """Where the campus's sign-in sends people back to. The page then fetches its sign-in by `POST`."""
    browser = request.cookies.get(BROWSER_COOKIE, "")
    return_to = "/"
    try:
        way_back = await campus.take_back(db, state, browser)
        return_to = way_back.return_to
        token = await campus.finish(db, way_back, _callback(request), code, error)
    except (SignInGone, CampusFailed, CampusUnknown, CampusNeedsSecondFactor) as failure:
        return _back(return_to, sign_in_failed=failure.code)
    answer = _back(return_to, signed_in="campus")
    _set_cookie(answer, PAGE_COOKIE, token, campus.PAGE_S)
    answer.delete_cookie(BROWSER_COOKIE, path=_COOKIE_PATH)
    return answer


@router.post("/v1/sessions/campus", status_code=201, responses=raises(SignInGone))
async def post_campus(request: Request, response: Response, db: DatabaseDep) -> SignedIn:
    """What the page does that the campus's sign-in has led back to: fetch its token, once."""
    signed_in = await campus.fetch(db, request.cookies.get(PAGE_COOKIE, ""))
    response.delete_cookie(PAGE_COOKIE, path=_COOKIE_PATH)
    set_session_cookie(response, signed_in)
    return SignedIn(**signed_in_fields(signed_in))


def _callback(request: Request) -> str:
    return f"{_public_address(request)}/v1/sessions/campus/callback"


def _back(return_to: str, **query: str) -> RedirectResponse:
    return RedirectResponse(f"{return_to}?{urlencode(query)}", status_code=303)


def _set_cookie(response: Response, name: str, value: str, life_s: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=life_s,
        path=_COOKIE_PATH,
        httponly=True,
        # It has to come along when the campus's sign-in sends the browser back, and never with a form from elsewhere.
        samesite="lax",
        secure=get_settings().cookies_are_secure,
    )
