"""HTTP of voices in calls: which servers help two browsers to find each other."""

from fastapi import APIRouter

from identity.api import CurrentPerson
from kernel import clock
from kernel.errors import Unauthenticated
from kernel.http import raises
from kernel.ids import public_id
from kernel.settings import Settings, get_settings
from realtime.audio.ice import CREDENTIAL_LIFE, IceWays, ice_servers
from realtime.audio.schemas import IceServersView, IceServerView

router = APIRouter(prefix="/v1", tags=["calls"])


@router.get("/ice_servers", responses=raises(Unauthenticated))
async def get_ice_servers(person: CurrentPerson) -> IceServersView:
    """The STUN and TURN servers of this installation, with credentials of an hour for this person."""
    ways, now = _ways(get_settings()), clock.now()
    servers = ice_servers(ways, public_id("per", person.person_id), now)
    return IceServersView(
        ice_servers=[
            IceServerView(urls=list(server.urls), username=server.username, credential=server.credential)
            for server in servers
        ],
        ice_transport_policy="relay" if ways.turn_only else "all",
        expires_at=clock.rfc3339(now + CREDENTIAL_LIFE),
    )


def _ways(settings: Settings) -> IceWays:
    secret = settings.turn_secret
    return IceWays(
        stun_urls=_listed(settings.stun_urls),
        turn_urls=_listed(settings.turn_urls),
        turn_secret=(secret.get_secret_value() or None) if secret is not None else None,
        turn_only=settings.turn_only,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for piece in text.split(",") if (part := piece.strip()))
