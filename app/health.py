"""`/healthz`: the process answers. `/readyz`: everything it stands on does, part by part."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.services import Services
from realtime.api import relay_lag_s
from realtime.calls.api import look_at_clocks

router = APIRouter(tags=["operation"])

ASK_TIMEOUT_S = 2.0
# Commit to socket takes milliseconds; an event that has waited this long waits for something that is broken.
RELAY_LAG_MAX_S = 5.0


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Part(BaseModel):
    """One thing we stand on."""

    status: Literal["ok", "failing"]
    detail: str | None = None


class Readiness(BaseModel):
    """`ok` when a payment can be taken now. Without Valkey or relay only news is late, and late clocks
    of calls are the worker's, so they do not make this process unready."""

    status: Literal["ok", "failing"]
    parts: dict[str, Part] = Field(description="database, valkey, relay_lag, call_clocks")


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


@router.get("/healthz")
async def show_health() -> Health:
    """Whether this process answers at all."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part that is needed is failing."}})
async def show_readiness(services: Annotated[Services, Depends(_services)], response: Response) -> Readiness:
    """Whether everything this process stands on answers, named part by part."""
    database, valkey, relay, clocks = await asyncio.gather(
        _ask_database(services), _ask_valkey(services), _ask_relay(services), _ask_clocks(services)
    )
    parts = {"database": database, "valkey": valkey, "relay_lag": relay, "call_clocks": clocks}
    readiness = Readiness(status=database.status, parts=parts)
    response.status_code = 200 if readiness.status == "ok" else 503
    return readiness


async def _ask_database(services: Services) -> Part:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S), services.database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return Part(status="failing", detail=type(error).__name__)
    return Part(status="ok")


async def _ask_relay(services: Services) -> Part:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S), services.database.session() as session:
            lag_s = await relay_lag_s(session)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return Part(status="failing", detail=type(error).__name__)
    return Part(status="ok" if lag_s < RELAY_LAG_MAX_S else "failing", detail=f"{lag_s:.1f} s")


async def _ask_clocks(services: Services) -> Part:
    """Whether clocks of calls strike in time, and every open call has one: the watchdog's question, asked from here too."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S), services.database.session() as session:
            alarms = (await look_at_clocks(session)).alarms
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return Part(status="failing", detail=type(error).__name__)
    if alarms:
        return Part(status="failing", detail=", ".join(f"{alarm.name}: {alarm.detail}" for alarm in alarms))
    return Part(status="ok")


async def _ask_valkey(services: Services) -> Part:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            await services.valkey.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return Part(status="failing", detail=type(error).__name__)
    return Part(status="ok")
