"""The other baseline of fan-out, written in C: nginx with Debian's nchan module (apt-get install nginx libnginx-mod-nchan)."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from bench.rig import free_port

_MODULE: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_READY_WITHIN_S: Final = 10
_SETTINGS: Final = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 4096;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
{user}
events {{ worker_connections 4000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location = /tell {{ nchan_publisher; nchan_channel_id all; nchan_message_buffer_length 1; }}
        location = / {{ nchan_subscriber websocket; nchan_channel_id all; nchan_subscriber_first_message newest; }}
    }}
}}
"""


def is_installed() -> bool:
    """Whether this machine has both."""
    return shutil.which("nginx") is not None and _MODULE.exists()


@asynccontextmanager
async def running_nchan() -> AsyncIterator[int]:
    """One worker process of it, on a port; ended afterwards."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="guanjia-nchan-"))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_SETTINGS.format(module=_MODULE, folder=folder, port=port, user=user))
    process = subprocess.Popen(  # noqa: ASYNC220  our own command; starting takes no time
        ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while not await _is_open(port):  # noqa: ASYNC110  nginx says nothing when it listens
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


async def _is_open(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


async def tell(port: int, count: int, *, every_s: float, size: int) -> None:
    """So many messages, each by a POST as its users send them; then time for the last one to arrive."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number * every_s - time.monotonic()))
        sent = time.time()  # noqa: TID251  the benches' own clock
        message = msgspec.json.encode({"data": {"sent": sent, "words": "x" * size}})
        head = f"POST /tell HTTP/1.1\r\nhost: x\r\naccept: text/json\r\ncontent-length: {len(message)}\r\n\r\n"
        writer.write(head.encode() + message)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not answer.startswith((b"http/1.1 201", b"http/1.1 202")):
            raise RuntimeError(f"nchan answered {answer[:100]!r}")
        await reader.readexactly(int(answer.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0))
    await asyncio.sleep(1.5)
    writer.close()
