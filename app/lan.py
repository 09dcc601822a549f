"""`guanjia run --lan`: lets phones of the local network in, over TLS, beside the loopback address.

A phone gives camera, service worker and wake lock only to a page that it was served securely. So there is a certificate
authority of this machine's own, in the data folder, which signs a certificate for the machine's address in the network. A phone
is told to trust it once, on a plain page that can do nothing but hand out the authority's public half.
"""

import hashlib
import os
import re
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from ipaddress import ip_address
from itertools import zip_longest
from pathlib import Path
from typing import Final, Self

import qrcode
import trustme

from app.listening import open_listening_sockets
from app.problems import LanRefused
from app.trust_page import trust_page
from kernel import clock
from kernel.settings import Settings

SERVER_PEM: Final = "server.pem"
# What phones take without complaint; a new one is made at each start anyway.
CERTIFICATE_LIFE: Final = timedelta(days=365)
# Nobody lives there, and nothing is sent: asking the way is enough to learn our own address on it.
_ELSEWHERE: Final = ("192.0.2.1", 9)


def lan_address(settings: Settings) -> str:
    """The one address of this machine to let phones in at: the operator's, else the one that leads out of the machine."""
    if settings.production:
        raise LanRefused(
            "--lan is for trying things out; in production a proxy with a real certificate stands in front."
        )
    found = settings.lan_host or _address_outwards()
    if found is None:
        raise LanRefused("This machine is in no network. Set GUANJIA_LAN_HOST to the address that phones reach it at.")
    try:
        address = ip_address(found)
    except ValueError:
        raise LanRefused(f"GUANJIA_LAN_HOST={found} is no IP address.") from None
    if address.is_unspecified:
        raise LanRefused("GUANJIA_LAN_HOST must be one address: a certificate for all of them would say nothing.")
    return found


def _address_outwards() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if ip_address(address).is_loopback else address


# ---- the authority of this machine


def authority(folder: Path) -> trustme.CA:
    """The one in the folder; made if there is none. Its key never leaves the folder, which is its owner's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    key, certificate = folder / "ca.key", folder / "ca.crt"
    if key.exists() and certificate.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    made = trustme.CA(organization_name="Guanjia", organization_unit_name=f"{socket.gethostname()}, local only")
    _write_private(key, made.private_key_pem.bytes())
    _write_private(certificate, made.cert_pem.bytes())
    return made


def issue_certificate(ca: trustme.CA, folder: Path, address: str) -> Path:
    """A fresh key and certificate for the address, in one file."""
    now = clock.now()
    issued = ca.issue_cert(address, not_before=now - timedelta(days=1), not_after=now + CERTIFICATE_LIFE)
    _write_private(folder / SERVER_PEM, issued.private_key_and_cert_chain_pem.bytes())
    return folder / SERVER_PEM


def _write_private(file: Path, content: bytes) -> None:
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    unfinished.replace(file)


def fingerprint(ca: trustme.CA) -> str:
    """SHA-256 of the authority's certificate, as phones show it."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode())).hexdigest().upper()
    return ":".join(re.findall("..", digest))


# ---- the door


@dataclass
class Lan:
    """The sockets of the local network, and what a person is told about them."""

    url: str
    trust_url: str
    fingerprint: str
    pem: Path
    listener: socket.socket
    _trust: HTTPServer

    @classmethod
    def open(cls, settings: Settings, data_dir: Path) -> Self:
        """Make what is missing, listen, and hand out the authority's certificate."""
        address, folder = lan_address(settings), data_dir / "lan"
        ca = authority(folder)
        pem = issue_certificate(ca, folder, address)
        port = settings.lan_port
        (listener,) = open_listening_sockets(address, port, 1)
        (trust_listener,) = open_listening_sockets(address, port + 1 if port else 0, 1)
        host = f"[{address}]" if ":" in address else address
        url = f"https://{host}:{listener.getsockname()[1]}"
        trust_url = f"http://{host}:{trust_listener.getsockname()[1]}"
        trust = _serve_trust(trust_listener, ca, url)
        return cls(url, trust_url, fingerprint(ca), pem, listener, trust)

    def close(self) -> None:
        """Let nobody in any more."""
        self._trust.shutdown()
        self._trust.server_close()
        self.listener.close()

    def welcome(self) -> str:
        """What the person at the terminal is told: two codes to scan, and what it means to have scanned them."""
        codes = zip_longest(_square(self.trust_url), _square(self.url), fillvalue="")
        width = max(len(line) for line in _square(self.trust_url)) + 4
        return "\n".join(
            [
                "",
                "Phones of this network:",
                "",
                f"{'1. once: let the phone trust this machine':<{width}}2. then: open the page",
                f"{self.trust_url:<{width}}{self.url}",
                "",
                *(f"{left:<{width}}{right}" for left, right in codes),
                "",
                "The first page hands out the certificate of this machine's own authority, and says how a phone is told to trust",
                "it. Compare its SHA-256 with this one, and take it off the phone again when you are done:",
                f"  {self.fingerprint}",
                "Everybody in this network can open the page now, and the demo's passwords are no secret.",
            ]
        )


def _square(text: str) -> list[str]:
    """A QR code for a terminal, light on dark or dark on light."""
    code = qrcode.QRCode(border=2, error_correction=qrcode.constants.ERROR_CORRECT_L)
    code.add_data(text)
    drawn = StringIO()
    code.print_ascii(out=drawn, invert=True)
    return drawn.getvalue().splitlines()


def _serve_trust(listener: socket.socket, ca: trustme.CA, url: str) -> HTTPServer:
    """In a thread of the supervisor: two answers that never change."""
    certificate = ca.cert_pem.bytes()
    name = fingerprint(ca)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/guanjia-ca.crt":
                self._answer("application/x-x509-ca-cert", certificate)
            else:
                self._answer("text/html; charset=utf-8", trust_page(url, name).encode())

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            """Who looked is nobody's business."""

    server = HTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever, name="trust page", daemon=True).start()
    return server
