"""What the wire says of getting in: passwords, second factors, the campus's sign-in, activation slips, resets."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from identity.schemas import (
    ActivationText,
    Email,
    Instant,
    PublicId,
    Secret,
    Sentence,
    Token,
    TypedCode,
    Username,
    Wire,
)


class SignIn(Wire):
    username: Username
    password: Secret


class SignedInPerson(BaseModel):
    id: str
    name: str
    roles: list[str]


class SignedIn(BaseModel):
    """`waits_for` null: signed in. Else the token opens nothing but the second half: a `code` from the authenticator,
    or the `enrolment` of one."""

    token: str
    expires_at: Instant
    person: SignedInPerson
    waits_for: Literal["code", "enrolment"] | None = None


class CampusOption(BaseModel):
    """The campus's own sign-in: what its button says, and where it leads (with `return_to`, a path of ours)."""

    name: str
    path: str


class SignInOptions(BaseModel):
    """How one may sign in beside a name and a password."""

    campus: CampusOption | None
    password_reset: bool = Field(description="Whether a forgotten password may be replaced by a link sent by mail")


class PendingToken(Wire):
    token: Token


class CodeForToken(Wire):
    token: Token
    code: TypedCode


class TypedSecondFactor(Wire):
    code: TypedCode


class OwnPassword(Wire):
    password: Secret


class EnrolmentView(BaseModel):
    """What the authenticator is told; shown once. It counts once a code from it has been typed in."""

    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(BaseModel):
    """Shown this once; each opens the door once."""

    recovery_codes: list[str]


class SignedInWithCodes(SignedIn):
    recovery_codes: list[str]


class SecondFactorView(BaseModel):
    enrolled: bool
    recovery_codes_left: int


class NewSlips(Wire):
    """For these people, or for everybody below an organisation who has no password yet."""

    people: Annotated[list[PublicId], Field(min_length=1, max_length=500)] | None = None
    organisation: PublicId | None = None


class SlipView(BaseModel):
    """What is printed. The code is shown this once; `link` holds it too, and `qr_svg` is the link as a picture."""

    person: str
    name: str
    staff_number: str | None
    organisation_zh: str | None
    organisation_en: str | None
    username: str
    code: str
    link: str
    qr_svg: str
    expires_at: Instant


class Slips(BaseModel):
    """`more`: an organisation has more people without a password than are printed at once; ask again."""

    data: list[SlipView]
    more: bool


class ActivationCode(Wire):
    code: ActivationText


class ActivationUse(Wire):
    code: ActivationText
    password: Secret


class ActivationView(BaseModel):
    """Whose password a code is for; the name is masked."""

    name: str
    username: str
    expires_at: Instant


class ActivatedView(BaseModel):
    username: str


class PasswordChange(Wire):
    present: Secret
    new: Secret


class PasswordResetAsked(Wire):
    username: Username


class PasswordResetAnswer(BaseModel):
    """The same for a name that somebody has and for one that nobody has."""

    status: Literal["asked"] = "asked"


class MyEmail(BaseModel):
    """Where mail to oneself goes."""

    email: str | None


class EmailChange(Wire):
    """`present` is one's password: who finds a phone open must not turn its owner's mail to themselves."""

    email: Email | None
    present: Secret


class CredentialReset(Wire):
    reason: Sentence = ""
