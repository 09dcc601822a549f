"""Settings: `GUANJIA_*` in the environment, each with a default that a newcomer can start with."""

from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# The clone that this file stands in: what is not said otherwise is looked for here, wherever the caller stands.
_HOUSE: Final = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Every knob of the product. The catalogue in docs/settings.md is made from this class."""

    model_config = SettingsConfigDict(env_prefix="GUANJIA_", env_file=None, extra="ignore")

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; loopback unless the operator says otherwise.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    data_dir: Path = Field(
        default=Path(".data"),
        description="Where the embedded servers and the demo's logins live; unless set, in the folder of the clone.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 18 address (postgresql://...). When set, the embedded server is not started.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Valkey or Redis address: redis://..., redis+cluster://host,host or redis+sentinel://host,host/name "
        "(kernel/valkey.py). When set, the embedded server is not started.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Number of web processes; each has a posting lane of its own.",
    )
    timezone: str = Field(default="Asia/Shanghai", description="Zone of a region that names none.")
    production: bool = Field(
        default=False,
        description="Production mode: no demo data, no demo logins, no simulators, own secrets required.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="At least 32 characters; keys that never leave the server are derived from it.",
    )
    public_url: str | None = Field(default=None, description="Address that people use, where a proxy stands in front.")
    oidc_issuer: str | None = Field(
        default=None,
        description="The campus's sign-in (OpenID Connect): its issuer address. When set, the sign-in form offers it.",
    )
    oidc_client_id: str = Field(default="guanjia", description="Who we are to the campus's sign-in.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Our secret there; without one we are a public client, and PKCE alone protects."
    )
    oidc_scope: str = Field(default="openid profile", description="What we ask of the campus's sign-in.")
    oidc_staff_number_claim: str = Field(
        default="preferred_username", description="The claim that holds a person's staff number."
    )
    oidc_name: str = Field(default="统一身份认证", description="What the button of the campus's sign-in says.")
    lan_host: str | None = Field(
        default=None,
        description="Address of this machine that `guanjia run --lan` lets phones in at; found by itself where it is not set.",
    )
    lan_port: int = Field(
        default=8443,
        ge=0,
        le=65534,
        description="Port of `guanjia run --lan`; the page that hands out its certificate has the next one.",
    )
    tls_pem: Path | None = Field(
        default=None,
        description="Key and certificate of a web process that speaks TLS itself; `guanjia run --lan` sets it.",
    )
    posting_batch_max: int = Field(default=400, ge=1, le=2000, description="Most payments in one transaction.")
    posting_lanes: int = Field(
        default=2, ge=1, le=8, description="Lanes of one web process; the second helps where many payments wait."
    )
    posting_queue_max: int = Field(
        default=4000, ge=1, description="Payments that may wait; beyond it the answer is 503."
    )
    card_meal_max_fen: int = Field(
        default=2000,
        ge=0,
        description="What a bare card, whose number can be copied, may pay in one meal, in fen.",
    )
    alipay_app_id: str | None = Field(
        default=None, description="Our app at Alipay; without it and both keys nobody pays or tops up by Alipay."
    )
    alipay_app_private_key: SecretStr | None = Field(
        default=None, description="Our RSA private key for Alipay: PEM, or the bare base64 that Alipay's tools give."
    )
    alipay_public_key: str | None = Field(
        default=None, description="Alipay's public key for our app, by which its answers and notices are believed."
    )
    alipay_app_cert: str | None = Field(
        default=None, description="Our app's certificate (PEM); with the next two, Alipay also sends money out."
    )
    alipay_cert: str | None = Field(default=None, description="Alipay's certificate for our app (PEM).")
    alipay_root_cert: str | None = Field(
        default=None, description="Alipay's root certificates (PEM, one after another)."
    )
    alipay_seller_id: str | None = Field(
        default=None, description="Our seller id (2088...) at Alipay; notices for another one are refused."
    )
    alipay_gateway: str = Field(
        default="https://openapi.alipay.com/gateway.do", description="Address of Alipay's gateway."
    )
    alipay_notify_url: str | None = Field(
        default=None, description="Where Alipay sends its notices; else GUANJIA_PUBLIC_URL and /v1/notify/alipay."
    )
    alipay_fee_bp: int = Field(
        default=38, ge=0, le=10000, description="Alipay's fee by contract, in hundredths of a per cent: 38 is 0.38 %."
    )
    alipay_simulator_url: str | None = Field(
        default=None, description="Where the demo's simulated Alipay is; `guanjia run` sets it by itself."
    )
    withdrawal_approval_above_fen: int = Field(
        default=50_000,
        ge=0,
        description="Cash sent to somebody who leaves, in fen, above which a second person decides.",
    )
    smtp_host: str | None = Field(
        default=None,
        description="Mail server. Without it (or without GUANJIA_SMTP_FROM) no mail is sent, and none is offered.",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the line to the mail server is made safe: starttls (587), tls (465), or none on a trusted network.",
    )
    smtp_user: str | None = Field(default=None, description="Our name at the mail server, where it asks for one.")
    smtp_password: SecretStr | None = Field(default=None, description="Our password at the mail server.")
    smtp_from: str | None = Field(
        default=None, pattern=r"^([^@\s]+@[^@\s]+)?$", description="Address that our mail comes from."
    )
    stun_urls: str = Field(
        default="",
        description="STUN servers for voices in calls, with commas between (stun:host:3478).",
    )
    turn_urls: str = Field(
        default="",
        description="TURN servers for voices in calls, with commas between (turn:host:3478?transport=udp).",
    )
    turn_secret: SecretStr | None = Field(
        default=None,
        description="The secret shared with the TURN servers (coturn's static-auth-secret); credentials of an hour are made by it.",
    )
    turn_only: bool = Field(
        default=False,
        description="Send all sound through the TURN server, so that neither side of a call learns the other's address.",
    )
    slip_printer: str | None = Field(
        default=None,
        pattern=r"^(tcp://|file:///)",
        description="Where tills without a printer of their own print: tcp://host:port, or file:///dev/usb/lp0.",
    )
    repair_guest_phone_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="A guest's telephone number is forgotten so many days after their repair has come to its end.",
    )
    meeting_guest_phone_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="A guest's telephone number is forgotten so many days after the meeting is over, or they were taken off its list.",
    )
    webhook_networks: str | None = Field(
        default=None,
        description="Private networks that webhooks, robots and gateways may be reached in, as 10.20.0.0/16,10.30.0.0/16. Not set: none in production, every address outside it.",
    )
    log_json: bool = Field(default=False, description="Log lines as JSON instead of words.")

    @property
    def cookies_are_secure(self) -> bool:
        """Whether a browser may send our cookies over TLS only."""
        return self.production or self.tls_pem is not None

    @property
    def zone(self) -> ZoneInfo:
        """The default time zone."""
        return ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _keep_data_in_the_house(self) -> Self:
        """`./guanjia demo` asked from another folder means the data that `make run` made here."""
        if "data_dir" not in self.model_fields_set:
            self.data_dir = _HOUSE / self.data_dir
        return self


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
