"""A small OpenID provider for the tests: it speaks the real protocol over a real port, and errs where a story wants it.

Authorisation code with PKCE (S256), confidential client with HTTP Basic, discovery, keys, userinfo. Who is at its
keyboard is `person`; what it gets wrong is `fault`.
"""

import asyncio
import base64
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from kernel import clock

CLIENT_ID = "guanjia-test"
CLIENT_SECRET = "the-secret-of-guanjia-at-the-campus"


@dataclass
class CampusProvider:
    """The provider, its present key, who signs in, and what is wrong with it."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "A007"})
    fault: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def rotate_key(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.configuration),
                Route("/jwks", self.jwks),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo),
            ]
        )

    async def configuration(self, request: Request) -> Response:
        self.asked.append("configuration")
        if self.fault == "discovery is down":
            return Response(status_code=500)
        issuer = "http://somebody.else" if self.fault == "another issuer" else self.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        """Its sign-in page, where somebody has just signed in."""
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        if self.fault == "the person says no":
            back = {"error": "access_denied", "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            back = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", status_code=302)

    async def token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        proven = asked is not None and challenge == asked["code_challenge"]
        if not proven or asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        if self.fault == "token is down":
            return Response("<html>502</html>", status_code=502)
        access_token = secrets.token_urlsafe(16)
        self.tokens[access_token] = self.person
        return JSONResponse(
            {"access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": self.id_token(asked)}
        )

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
        }
        wrong: dict[str, dict[str, Any]] = {
            "wrong nonce": {"nonce": "of somebody else"},
            "wrong audience": {"aud": "another-program"},
            "two audiences": {"aud": [CLIENT_ID, "another-program"], "azp": "another-program"},
            "wrong issuer": {"iss": "http://somebody.else"},
            "expired": {"exp": now - 3600, "iat": now - 7200},
            "from the future": {"iat": now + 3600, "nbf": now + 3600},
            "no subject": {"sub": ""},
        }
        claims |= wrong.get(self.fault, {})
        if self.fault == "no nonce":
            del claims["nonce"]
        if self.fault == "number in userinfo only":
            claims.pop("preferred_username", None)
        header = {"alg": "RS256", "kid": self.key.kid}
        if self.fault == "signed by another":
            return jwt.encode(header, claims, RSAKey.generate_key(2048, {"kid": self.key.kid or ""}))
        if self.fault == "signed with our secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET), algorithms=["HS256"])
        signed = jwt.encode(header, claims, self.key)
        if self.fault == "not signed":
            head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
            return f"{head}.{signed.split('.')[1]}."
        if self.fault == "altered":
            head, body, mark = signed.split(".")
            return f"{head}.{body[:-2]}AA.{mark}"
        return signed

    async def userinfo(self, request: Request) -> Response:
        person = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if person is None:
            return Response(status_code=401)
        return JSONResponse(person | ({"sub": "somebody else"} if self.fault == "userinfo of another" else {}))


@asynccontextmanager
async def running_provider() -> AsyncIterator[CampusProvider]:
    """A provider on a free port of this machine."""
    provider = CampusProvider()
    listener = socket.create_server(("127.0.0.1", 0))
    provider.issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(provider.app(), log_level="warning", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield provider
    finally:
        server.should_exit = True
        await serving
        listener.close()
