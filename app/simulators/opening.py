"""Which simulators `guanjia run` starts beside the demo, where they listen, and what the product is told of them."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.listening import open_listening_sockets
from app.problems import CannotListen
from kernel.settings import Settings

_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104  compared only


@dataclass(frozen=True)
class OpenedSimulator:
    """A socket that the simulator's process will answer on, and the settings by which the product finds it."""

    listener: socket.socket
    environment: dict[str, str]


def open_alipay(settings: Settings, data_dir: Path, web_port: int) -> OpenedSimulator | None:
    """On loopback only, where it was last time if that is free. None for who has an account of their own at Alipay."""
    if settings.production or settings.alipay_app_id:
        return None
    from app.simulators.alipay.keys import APP_ID, SELLER_ID, ensure_keys  # Only now: a start without it is faster.

    keys = ensure_keys(data_dir)
    listener = _listen(_remembered_port(data_dir))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    _url_file(data_dir).write_text(f"{url}\n")
    return OpenedSimulator(
        listener,
        {
            "GUANJIA_ALIPAY_APP_ID": APP_ID,
            "GUANJIA_ALIPAY_APP_PRIVATE_KEY": keys.app_private_pem,
            "GUANJIA_ALIPAY_PUBLIC_KEY": keys.alipay_public_pem,
            "GUANJIA_ALIPAY_SELLER_ID": SELLER_ID,
            "GUANJIA_ALIPAY_GATEWAY": f"{url}/gateway.do",
            "GUANJIA_ALIPAY_NOTIFY_URL": f"http://{_reached_at(settings.host)}:{web_port}/v1/notify/alipay",
            "GUANJIA_ALIPAY_SIMULATOR_URL": url,
        },
    )


def alipay_url(data_dir: Path) -> str | None:
    """Where it is, or was last; None where it never ran."""
    try:
        return _url_file(data_dir).read_text().strip()
    except FileNotFoundError:
        return None


def _url_file(data_dir: Path) -> Path:
    return data_dir / "simulators" / "alipay" / "url"


def _remembered_port(data_dir: Path) -> int:
    url = alipay_url(data_dir)
    return int(url.rpartition(":")[2]) if url else 0


def _listen(port: int) -> socket.socket:
    try:
        return open_listening_sockets("127.0.0.1", port, 1)[0]
    except CannotListen:
        return open_listening_sockets("127.0.0.1", 0, 1)[0]


def _reached_at(host: str) -> str:
    if host in _EVERYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
