"""The wire format of `/v1/ice_servers`, in the words of a browser's RTCConfiguration."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class IceServerView(BaseModel):
    """One server; `username` and `credential` where it is a TURN server."""

    model_config = ConfigDict(extra="forbid")

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class IceServersView(BaseModel):
    """Good until `expires_at`; `relay` sends all sound through the TURN server."""

    model_config = ConfigDict(extra="forbid")

    ice_servers: list[IceServerView]
    ice_transport_policy: Literal["all", "relay"]
    expires_at: str = Field(description="RFC 3339, UTC")
