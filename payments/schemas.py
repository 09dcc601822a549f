"""Wire forms of payments. The posting route reads `PaymentRequest` with msgspec; the others are pydantic models."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kernel.money import AMOUNT_FEN_MAX

_Amount = Annotated[int, msgspec.Meta(ge=1, le=AMOUNT_FEN_MAX)]
_Seq = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
_Quantity = Annotated[int, msgspec.Meta(ge=1, le=99)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class ItemRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dish and how many of it."""

    dish_id: _Text
    quantity: _Quantity = 1


class CredentialRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payment is made with."""

    kind: Literal["pay_code", "card", "staff_pin"]
    value: _Text


class PaymentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/payments`. A field that nobody knows is refused: a misspelt amount must not cost a meal."""

    seq: _Seq
    code: _Text | None = None
    credential: CredentialRequest | None = None
    amount_fen: _Amount | None = None
    items: Annotated[tuple[ItemRequest, ...], msgspec.Meta(min_length=1, max_length=50)] | None = None
    confirm_repeat: bool = False
    happened_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ItemBody(_Model):
    """A dish and how many of it."""

    dish_id: str = Field(min_length=1, max_length=256)
    quantity: int = Field(default=1, ge=1, le=99)


class CredentialBody(_Model):
    """What a payment is made with."""

    kind: Literal["pay_code", "card", "staff_pin"]
    value: str = Field(
        min_length=1,
        max_length=256,
        description="pay_code: 20 or 220 digits; card: the number as its reader types it; staff_pin: `number:PIN`",
    )


class PaymentBody(_Model):
    """`code` or `credential`; at most one of `amount_fen` (keyed) and `items` (menu), neither for the meal's price."""

    seq: int = Field(ge=1, le=2**62, description="A number that this terminal has not used in this epoch")
    code: str | None = Field(default=None, pattern=r"^([0-9]{20}|[0-9]{220})$")
    credential: CredentialBody | None = None
    amount_fen: int | None = Field(default=None, ge=1, le=AMOUNT_FEN_MAX)
    items: list[ItemBody] | None = Field(default=None, min_length=1, max_length=50)
    confirm_repeat: bool = False
    happened_at: AwareDatetime | None = Field(default=None, description="Stored; it never prices")


class LegView(BaseModel):
    """A part of a payment, out of one purse."""

    purse: str
    lot: str | None
    amount_fen: int


class PurseSums(BaseModel):
    """What is left."""

    cash_fen: int
    subsidy_fen: int
    official_fen: int


class PaymentAnswer(BaseModel):
    """A payment that was made."""

    id: str
    status: str
    amount_fen: int
    legs: list[LegView]
    trace: list[dict[str, Any]]
    canteen: str
    terminal: str | None
    meal: str | None
    business_date: str
    happened_at: str
    purses: PurseSums
    request_id: str


class PaymentView(BaseModel):
    """A payment as its payer, its till and the office see it."""

    id: str
    status: Literal["succeeded", "partially_refunded", "refunded", "voided"]
    amount_fen: int
    refunded_fen: int
    legs: list[LegView]
    trace: list[dict[str, Any]]
    payer_label: str | None = None
    canteen: str
    canteen_name: str
    canteen_name_en: str
    terminal: str | None
    credential: Literal["pay_code", "card", "staff_pin", "wall_code"] = "pay_code"
    far_m: int | None = Field(
        default=None,
        description="How far away the phone was that paid at a wall code, where it was certainly elsewhere",
    )
    meal: str | None
    business_date: str
    happened_at: str
    recorded_at: str
    reversals: list[dict[str, Any]] | None = None


class LotView(BaseModel):
    """A subsidy lot: how much, until the end of which business date, where."""

    id: str
    amount_fen: int
    expires_at: str
    expires_on: str
    scope: dict[str, list[str]]


class PursesView(PurseSums):
    """All purses of a person, with the lots of the subsidy."""

    lots: list[LotView]
    held_fen: int
    state: str


class PayCodeView(BaseModel):
    """A fresh pay code."""

    id: str
    code: str = Field(description="20 digits")
    offline_block: str = Field(description="200 digits")
    text: str = Field(description="220 digits: what stands in the QR code")
    expires_at: str


class SignedRequest(_Model):
    """Who signs for money that a till gives back: needed where a shift is open at it."""

    pin: str | None = Field(default=None, min_length=1, max_length=20)
    person: str | None = Field(
        default=None, max_length=80, description="Whose PIN; the cashier of the shift's if absent"
    )


class VoidRequest(SignedRequest):
    """May be empty, or absent."""


class RefundRequest(SignedRequest):
    """How much to give back, and why."""

    amount_fen: int = Field(ge=1, le=AMOUNT_FEN_MAX, strict=True)
    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")


class ReversalView(BaseModel):
    """A void or a refund."""

    id: str
    payment: str
    amount_fen: int
    legs: list[LegView]


class CounterTopUpRequest(_Model):
    """Cash taken at the service counter."""

    amount_fen: int = Field(ge=1, le=AMOUNT_FEN_MAX, strict=True)


class TopUpView(BaseModel):
    """Money that was put in."""

    id: str
    status: str
    amount_fen: int


class PrefundRequest(_Model):
    """What a unit pays in ahead."""

    amount_fen: int = Field(ge=1, le=10**13, strict=True)


class PrefundView(BaseModel):
    """A unit's prefund."""

    unit: str
    balance_fen: int


class BillView(BaseModel):
    """What a unit that is billed still owes; below zero where it has paid more."""

    unit: str
    owed_fen: int


class HolderView(BaseModel):
    """An account's state."""

    id: str
    state: str
    allowed: list[str] = Field(description="The triggers that this state allows")


class CardView(BaseModel):
    """A new card; its number is shown this once."""

    number: str


class TrustKey(BaseModel):
    """A region's public key."""

    kid: int
    suite: int
    public_key: str
    region: str
    not_before: int
    not_after: int


class TrustList(BaseModel):
    """Keys that may sign pay codes, signed by the root key."""

    keys: list[TrustKey]
    version: int
    signature: str


class NewCardRequest(_Model):
    """A blank card's number, as its reader types it; without it a number is made."""

    number: str | None = Field(default=None, pattern=r"^[0-9]{4,19}$")


class CardNumberRequest(_Model):
    """A card that was held to a reader."""

    number: str = Field(pattern=r"^[0-9]{4,19}$")


class PinRequest(_Model):
    """The six digits to pay with by staff number."""

    pin: str = Field(pattern=r"^[0-9]{6}$")


class CardState(BaseModel):
    """The one card of an account that is active or lost. Its number is known to nobody."""

    state: str
    issued_at: str


class MyCardView(BaseModel):
    """What somebody can pay with besides the phone."""

    state: str = Field(description="The account's")
    card: CardState | None
    has_pin: bool
    card_meal_max_fen: int


class AccountView(BaseModel):
    """An account, as the office sees it."""

    person: str
    name: str
    staff_number: str | None
    unit: str
    state: str
    allowed: list[str] = Field(description="The triggers that this state allows")
    card: CardState | None
    has_pin: bool


class FoundCardView(AccountView):
    """Whose a card is, and what became of that very card."""

    found_state: str


class NewPlaceCode(_Model):
    """A canteen, and one of its tills where the code is that till's."""

    site: str = Field(pattern=r"^(sit|can)_[0-9a-f]{32}$")
    terminal: str | None = Field(default=None, pattern=r"^ter_[0-9a-f]{32}$")


class PlaceCodeView(BaseModel):
    """A printed code."""

    id: str
    site: str
    terminal: str | None
    issue: int
    state: str
    allowed: list[str] = Field(description="The triggers that this state allows")
    text: str = Field(description="70 digits")
    url: str = Field(description="What stands in the QR code: the page on which it is paid")
    issued_at: str
    changed_at: str


class RefusalView(BaseModel):
    """Why nothing could be paid now."""

    code: str
    message: str
    data: dict[str, Any]


class ScannedPlaceView(BaseModel):
    """Where one is about to pay, and how much: to be looked at before."""

    id: str
    canteen: str
    name_zh: str
    name_en: str
    terminal: str | None
    terminal_name: str | None
    modes: list[str]
    meal: str | None
    price_fen: int | None = Field(description="The meal's price for this person; null where nothing is served to them")
    refusal: RefusalView | None
    far_m: int | None = Field(description="How far away the phone is, where it is certainly elsewhere")


class LocationBody(_Model):
    """Where the phone is, roughly. It is compared with the canteen's place and not kept."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    accuracy_m: int = Field(default=0, ge=0, le=10**7)


class ScanPaymentBody(_Model):
    """At most one of `amount_fen` and `items`, neither for the meal's price."""

    place_code: str = Field(pattern=r"^[0-9]{70}$")
    amount_fen: int | None = Field(default=None, ge=1, le=AMOUNT_FEN_MAX, strict=True)
    items: list[ItemBody] | None = Field(default=None, min_length=1, max_length=50)
    confirm_repeat: bool = False
    location: LocationBody | None = None


class VoucherView(BaseModel):
    """A code for one meal, kept by a phone for the moment when it has no network."""

    id: str
    text: str = Field(description="220 digits: what stands in the QR code; a till has to read all of it")
    meal: str
    issued_at: str
    expires_at: str = Field(description="The end of the meal")


class VoucherStatusView(BaseModel):
    """A voucher that was given out today; its digits are known to the phone alone."""

    id: str
    expires_at: str
    used: bool


class TopUpRequest(_Model):
    """How much to put in, and by which way."""

    amount_fen: int = Field(ge=1, le=AMOUNT_FEN_MAX, strict=True)
    channel: str = Field(min_length=1, max_length=40, pattern=r"^[a-z_]+$", description="`alipay`")


class ChannelTopUpView(BaseModel):
    """Money that is being put in, or was."""

    id: str
    status: Literal["pending", "succeeded", "failed", "closed"]
    channel: str
    amount_fen: int
    refunded_fen: int = Field(description="Given back through the gateway, or on its way")
    qr_text: str | None = Field(description="What stands in the QR code, while it can be paid")
    opened_at: str
    expires_at: str | None = Field(description="Until when the code can be paid; null at the counter")


class TopUpChannel(BaseModel):
    """A way to put money in."""

    channel: str
    simulated: bool


class TopUpChannels(BaseModel):
    """The ways that are set up here."""

    data: list[TopUpChannel]


class DifferenceCaseView(BaseModel):
    """What a gateway and our books say differently. It is resolved when the gateway says the same as we do, or when two
    people have decided."""

    id: str
    channel: str
    order: str = Field(
        description="Our name of the order at the gateway: a top-up, a guest payment, a refund, or none of ours"
    )
    kind: str = Field(
        description="no_answer, amount_differs, account_closed, unknown_order, refund_refused, paid_after_failure"
    )
    expected_fen: int | None
    confirmed_fen: int | None
    opened_at: str
    resolved_at: str | None
    resolution: Literal["heard", "closed", "refunded"] | None = Field(
        description="heard: the gateway has said after all; closed and refunded: by two people, for `reason`"
    )
    reason: str | None
    approval: str | None = Field(description="What a second person is asked to decide on")
    allowed: list[str] = Field(description="The triggers that are possible now: close, refund, ask_again")


class DecisionRequest(_Model):
    """Why: it is shown to the second person, and kept."""

    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")


class TopUpRefundRequest(DecisionRequest):
    """How much of a top-up is to go back, and why."""

    amount_fen: int = Field(ge=1, le=AMOUNT_FEN_MAX, strict=True)


class AskedRefund(BaseModel):
    """A second person has to decide."""

    top_up: str
    approval: str
    amount_fen: int
    status: Literal["asked"]


class ChannelRefundView(BaseModel):
    """Money on its way back through the gateway that it came by."""

    id: str
    payment: str = Field(description="The guest payment or top-up that it came in by")
    kind: Literal["void", "refund"]
    status: Literal["pending", "succeeded", "failed"]
    amount_fen: int
    reason: str
    business_date: str
    recorded_at: str


class GuestPaymentRequest(_Model):
    """A code from a guest's own payment app."""

    auth_code: str = Field(pattern=r"^[0-9]{16,24}$", description="Alipay: 25 to 30 in front")
    amount_fen: int = Field(ge=1, le=AMOUNT_FEN_MAX, strict=True)
    seq: int = Field(ge=1, le=2**62, strict=True, description="A number that this terminal has not used in this epoch")


class GuestPaymentView(BaseModel):
    """A guest's payment."""

    id: str
    status: Literal["pending", "succeeded", "failed", "cancelled", "partially_refunded", "refunded"]
    channel: str
    amount_fen: int
    refunded_fen: int = Field(description="Given back, or on its way")
    canteen: str
    terminal: str
    seq: int
    business_date: str
    happened_at: str
    can_cancel: bool
    can_void: bool
    refunds: list[ChannelRefundView] | None = Field(default=None, description="Of one payment, not in lists")
