"""A machine without a network, and a person at it: unpacks the archive, installs, starts, pays a lunch, stops.

Run by test_bundle.py in a network namespace of its own, with nothing but the standard library:

    unshare -n python offline.py ARCHIVE FOLDER
"""

import array
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
START_TIMEOUT_S = 150


def bring_loopback_up() -> None:
    """A new namespace has one interface, and it is down; `ip` may not be there to say so."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = array.array("b", struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked)
        (flags,) = struct.unpack_from("h", asked, 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def assert_alone() -> None:
    """No way leads anywhere."""
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("192.0.2.1", 80)) == errno.ENETUNREACH


def post(url: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
    """As the phone's page does."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urlopen(Request(url, json.dumps(body or {}).encode(), headers, method="POST"), timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def pay_a_lunch(home: Path, environment: dict[str, str]) -> str:
    """Sign in, show a code, scan it at a till of the demo."""

    def guanjia(*arguments: str) -> str:
        command = [str(home / "guanjia"), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    card = json.loads(guanjia("demo", "--json"))
    with urlopen(f"{card['base_url']}/", timeout=30) as page:
        assert b'<div id="app">' in page.read(), "the page came along"
    login = {name: card["employees"][0][name] for name in ("username", "password")}
    phone = post(f"{card['base_url']}/v1/sessions", login)
    code = post(f"{card['base_url']}/v1/me/pay_codes", token=phone["token"])
    return guanjia("terminal", "pay", code["text"], "--json")


def main(archive: Path, folder: Path) -> None:
    bring_loopback_up()
    assert_alone()
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="tar")
    (home,) = folder.iterdir()
    python = os.path.dirname(os.path.realpath(sys.executable))
    environment = {"PATH": f"{python}:/usr/bin:/bin", "HOME": str(folder), "GUANJIA_PORT": "0"}
    started = time.monotonic()
    subprocess.run([str(home / "install")], env=environment, check=True)
    print(f"installed in {time.monotonic() - started:.1f} s", flush=True)
    log = folder / "run.log"
    with log.open("wb") as words:
        running = subprocess.Popen([str(home / "guanjia"), "run"], env=environment, stdout=words, stderr=words)
    try:
        while b"Ctrl-C stops everything" not in log.read_bytes():
            assert running.poll() is None, log.read_text()
            assert time.monotonic() - started < START_TIMEOUT_S, log.read_text()
            time.sleep(0.2)
        print(f"running after {time.monotonic() - started:.1f} s", flush=True)
        print(pay_a_lunch(home, environment), flush=True)
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
