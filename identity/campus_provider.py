"""The campus's sign-in as a partner on the network: discovery, the way there, the code for a token, the token's checks.

OpenID Connect, authorisation code with PKCE. What the provider says is believed only after its signature, issuer,
audience, time and nonce have been checked. No transaction is open while it is asked.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from identity.errors import CampusFailed
from kernel import clock
from kernel.errors import NotFound
from kernel.settings import Settings, get_settings

TIMEOUT_S: Final = 10
_KNOWN_FOR_S: Final = 3600
_BODY_BYTES_MAX: Final = 1024 * 1024
_LEEWAY_S: Final = 60
# Signed with a key that only the provider has: neither `none` nor our own shared secret.
_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
_BROKEN: Final = (httpx2.HTTPError, httpx2.InvalidURL, AuthlibBaseError, JoseError, ValueError, KeyError, TypeError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider says of itself, and its keys."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    keys: KeySet


@dataclass(frozen=True, slots=True)
class Claims:
    """Who somebody is to the campus."""

    issuer: str
    subject: str
    staff_number: str | None


class _Known:
    """The provider, asked once an hour; a key that is not known yet is asked for at once."""

    issuer = ""
    provider: Provider | None = None
    until = 0.0


def issuer_of(settings: Settings) -> str:
    """The issuer, without which there is no campus sign-in here."""
    if settings.oidc_issuer is None:
        raise NotFound(what="campus_sign_in")
    return settings.oidc_issuer


async def way_there(redirect_uri: str, state: str, nonce: str, code_verifier: str) -> str:
    """The address to which a browser is sent."""
    provider = await _provider()
    async with _client(redirect_uri) as client:
        address, _ = client.create_authorization_url(
            provider.authorization_endpoint, state=state, nonce=nonce, code_verifier=code_verifier
        )
    return str(address)


async def ask_who(redirect_uri: str, code: str, nonce: str, code_verifier: str) -> Claims:
    """Change the code for a token, check it, and read who it names. CampusFailed where anything is not as it must be."""
    provider = await _provider()
    try:
        async with _client(redirect_uri) as client:
            token = await client.fetch_token(
                provider.token_endpoint, code=code, code_verifier=code_verifier, grant_type="authorization_code"
            )
            claims = await _checked(token, nonce)
            claim = get_settings().oidc_staff_number_claim
            staff_number = claims.get(claim)
            if staff_number is None and provider.userinfo_endpoint is not None:
                staff_number = await _ask_userinfo(client, provider.userinfo_endpoint, claims["sub"], claim)
    except _BROKEN as error:
        raise _failed("token", error) from error
    return Claims(claims["iss"], claims["sub"], staff_number if isinstance(staff_number, str) else None)


async def _checked(token: Any, nonce: str) -> CodeIDToken:
    settings = get_settings()
    decoded = await _decoded(token["id_token"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": issuer_of(settings)},
            "aud": {"essential": True, "value": settings.oidc_client_id},
        },
        {"nonce": nonce, "client_id": settings.oidc_client_id, "access_token": token.get("access_token")},
    )
    claims.validate(now=int(clock.now().timestamp()), leeway=_LEEWAY_S)
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise ValueError("sub")
    return claims


async def _decoded(id_token: str) -> jwt.Token:
    """Its keys may have changed since they were asked for; then they are asked for once more."""
    try:
        return jwt.decode(id_token, (await _provider()).keys, algorithms=list(_ALGORITHMS))
    except (JoseError, ValueError):
        return jwt.decode(id_token, (await _provider(afresh=True)).keys, algorithms=list(_ALGORITHMS))


async def _ask_userinfo(client: Any, endpoint: str, subject: str, claim: str) -> Any:
    answer = await client.get(endpoint)
    answer.raise_for_status()
    info = answer.json()
    # Somebody else's answer must not name the person.
    if info.get("sub") != subject:
        raise ValueError("sub of userinfo")
    return info.get(claim)


def _client(redirect_uri: str) -> Any:
    settings = get_settings()
    secret = settings.oidc_client_secret
    return AsyncOAuth2Client(
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        scope=settings.oidc_scope,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        # The token is used at once, however short it lives.
        leeway=0,
        timeout=TIMEOUT_S,
        follow_redirects=False,
        trust_env=False,
    )


# ---- discovery


async def _provider(*, afresh: bool = False) -> Provider:
    issuer = issuer_of(get_settings())
    known = _Known.provider
    if known is not None and not afresh and _Known.issuer == issuer and time.monotonic() < _Known.until:
        return known
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            provider = await _discover(client, issuer)
    except _BROKEN as error:
        raise _failed("discovery", error) from error
    _Known.issuer, _Known.provider, _Known.until = issuer, provider, time.monotonic() + _KNOWN_FOR_S
    return provider


async def _discover(client: httpx2.AsyncClient, issuer: str) -> Provider:
    said = await _get_json(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if said["issuer"] != issuer:
        raise ValueError(f"the issuer calls itself {said['issuer']!r}")
    keys = KeySet.import_key_set(await _get_json(client, _endpoint(said, "jwks_uri", issuer)))
    return Provider(
        authorization_endpoint=_endpoint(said, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(said, "token_endpoint", issuer),
        userinfo_endpoint=_endpoint(said, "userinfo_endpoint", issuer) if "userinfo_endpoint" in said else None,
        keys=keys,
    )


def _endpoint(said: dict[str, Any], name: str, issuer: str) -> str:
    """Whoever is asked over TLS leads nowhere that is without it."""
    address: str = said[name]
    if not address.startswith(("https://", "http://")) or (issuer.startswith("https:") and address.startswith("http:")):
        raise ValueError(name)
    return address


async def _get_json(client: httpx2.AsyncClient, address: str) -> Any:
    answer = await client.get(address)
    answer.raise_for_status()
    if len(answer.content) > _BODY_BYTES_MAX:
        raise ValueError("an answer of more than 1 MB")
    return answer.json()


def _failed(step: str, error: Exception) -> CampusFailed:
    log.warning("campus_sign_in_failed", step=step, error=f"{type(error).__name__}: {error}")
    return CampusFailed()
