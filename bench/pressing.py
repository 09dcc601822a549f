"""Who presses, and the desk that it rings at.

The client costs next to nothing, HTTP/1.1 over one kept connection, so that what is measured is the server. The desk is as in the
demo: a duty room with a rota, one on duty who has signed in, and no policy but the house's own.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from uuid import uuid4

import msgspec

from bench.rig import Rig, free_port, running
from identity.api import Place, Role, today
from identity.roles import write_grant
from kernel.ids import public_id

_ANSWER_MAX_S: Final = 30


class Pressed(NamedTuple):
    """A call, whose it is, when the press began, and when its answer had been read."""

    call: str
    token: str
    began: float
    answered: float


class Line:
    """One connection to a process of the product. `async with Line(port) as line: await line.ask(...)`."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """The answer's JSON; a refusal is an error."""
        sent = b"" if body is None else msgspec.json.encode(body)
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(sent)}\r\n\r\n"
        )
        self._writer.write(head.encode() + sent)
        async with asyncio.timeout(_ANSWER_MAX_S):
            answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            _, _, rest = answer.partition(b"content-length:")
            text = await self._reader.readexactly(int(rest.split(b"\r\n", 1)[0])) if rest else b""
        status = int(answer.split(b" ", 2)[1])
        if status >= 300:
            raise RuntimeError(f"{method} {path} was answered {status}: {text[:300]!r}")
        return msgspec.json.decode(text) if text else None

    async def press(self, token: str, kind: str = "other") -> Pressed:
        """One press of the button."""
        began = time.time()  # noqa: TID251  the benches' own clock
        answer = await self.ask("POST", "/v1/calls", token, {"client_id": str(uuid4()), "kind": kind})
        return Pressed(answer["id"], token, began, time.time())  # noqa: TID251  as above

    async def press_all(self, tokens: list[str], kind: str, *, a_second: float) -> list[Pressed]:
        """Everybody once, one after the other, on a schedule."""
        pressed = []
        for token in tokens:
            one = await self.press(token, kind)
            pressed.append(one)
            await asyncio.sleep(max(0.0, one.began + 1 / a_second - time.time()))  # noqa: TID251  as above
        return pressed

    async def cancel_all(self, pressed: list[Pressed]) -> None:
        """It was nothing: what is measured next finds an empty desk."""
        for one in pressed:
            await self.ask("POST", f"/v1/calls/{one.call}/cancel", one.token, {})


def quantile(values: list[float], wanted: float) -> float:
    """Of what was measured, the nearest one below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * wanted))]


# ---- a desk


@dataclass(frozen=True)
class Desk:
    """A running product whose first person is on duty; the others press."""

    rig: Rig
    port: int
    duty: str
    callers: list[str]

    @property
    def region(self) -> str:
        """The public id of where all of this is."""
        return public_id("reg", self.rig.region)

    def some(self, count: int) -> list[str]:
        """So many who have not pressed yet."""
        taken = self.callers[:count]
        del self.callers[:count]
        return taken


@asynccontextmanager
async def open_desk(rig: Rig, callers: int, **settings: str) -> AsyncIterator[Desk]:
    """Web process and worker, the rota, and people who will press."""
    port, worker_port = free_port(), free_port()
    environment = rig.environment(port) | settings
    duty, *tokens = await rig.open_sessions(callers + 1)
    async with rig.database.session() as session:
        for role in (Role.DUTY_STAFF, Role.DISPATCHER, Role.SYSTEM_ADMIN):
            await write_grant(session, rig.people[0], role, Place(region_id=rig.region), granted_by=None)
    async with (
        running(["-m", "app.cli", "web"], environment, port),
        running(["-m", "app.cli", "worker", "--health-port", str(worker_port)], environment, worker_port),
    ):
        desk = Desk(rig, port, duty, tokens)
        await _keep_a_rota(desk)
        yield desk


async def _keep_a_rota(desk: Desk) -> None:
    """One team round the clock, and its one person, who has signed in."""
    person = public_id("per", desk.rig.people[0])
    team = {"name_zh": "值班室", "name_en": "Duty Room", "region": desk.region, "role": "duty_staff"}
    since = (today() - timedelta(days=2)).isoformat()
    rotation = {"name": "日夜", "starts_on": since, "slots": [{"starts": "08:00"}], "people": [person]}
    async with Line(desk.port) as line:
        opened = await line.ask("POST", "/v1/duty/teams", desk.duty, {**team, "members": [{"person": person}]})
        await line.ask("POST", f"/v1/duty/teams/{opened['id']}/rotations", desk.duty, rotation)
        await line.ask("POST", "/v1/me/duty/check_in", desk.duty, {})
