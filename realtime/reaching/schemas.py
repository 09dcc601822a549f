"""Wire forms of reaching. Addresses and secrets come in and never go out."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

ChannelKind = Literal["dingtalk", "wecom", "sms", "voice"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]*$")]
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=2000, pattern=r"^[!-~]*$")]
Secret = Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=200, pattern=r"^[!-~]*$")]
Key = Annotated[str, StringConstraints(min_length=8, max_length=200, pattern=r"^[A-Za-z0-9_=-]*$")]


class ChannelRequest(BaseModel):
    """A robot or a gateway. `secret` signs: DingTalk's own, or one agreed with the gateway's adapter; WeCom has none."""

    kind: ChannelKind
    name: Name
    region: str = Field(max_length=80)
    team: str | None = Field(default=None, max_length=80)
    address: Address
    secret: Secret | None = None


class ChannelChange(BaseModel):
    """What is given is changed. A new address or secret has to prove itself anew."""

    name: Name | None = None
    address: Address | None = None
    secret: Secret | None = None
    is_enabled: bool | None = None


class PathState(BaseModel):
    """Whether a way was lately proved."""

    is_proved: bool
    proved_at: str | None
    failed_at: str | None
    error: str | None


class ChannelView(BaseModel):
    """A channel as administrators see it: the host of its address, never the address or the secret."""

    id: str
    kind: ChannelKind
    name: str
    region: str
    region_name: str
    team: str | None
    address_hint: str
    state: Literal["enabled", "disabled"]
    # Robots are one way for all; a gateway's ways are its people's.
    proof: PathState | None
    created_at: str


class ReachDeliveryView(BaseModel):
    """One message on one way. `to` is masked."""

    id: str
    ref: str
    kind: str
    title: str
    is_urgent: bool
    state: Literal["pending", "sent", "delivered", "failed"]
    attempts: int
    created_at: str
    sent_at: str | None
    shown_at: str | None
    receipt: str | None
    last_error: str | None


class PushKeys(BaseModel):
    """What a browser's push subscription holds."""

    p256dh: Key
    auth: Key


class DeviceRequest(BaseModel):
    """A browser's push subscription, as `PushSubscription.toJSON()` gives it, and what its owner calls it."""

    endpoint: Address
    keys: PushKeys
    label: Name


class DeviceView(BaseModel):
    """A browser that may be notified."""

    id: str
    label: str
    created_at: str
    proof: PathState


class PushKeyView(BaseModel):
    """The public key that a browser's subscription names: base64url of the raw point."""

    public_key: str


class Receipt(BaseModel):
    """A gateway's later word on a message that it took."""

    delivery: str = Field(max_length=80)
    status: Literal["delivered", "failed"]
    reason: str | None = Field(default=None, max_length=300)
