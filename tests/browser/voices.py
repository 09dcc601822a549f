"""Two browsers that talk: each with a microphone that hears a tone of its own, and an ear that measures what arrives."""

import math
import os
import shutil
import socket
import struct
import subprocess
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import find_chromium

ROOT = Path(__file__).resolve().parents[2]
RATE = 48_000

# The strongest frequency that arrives within two seconds, and how strong it is; null where no sound arrives at all.
_LISTEN = """async () => {
  const element = document.querySelector('.voice audio')
  if (!element?.srcObject) return null
  const context = new AudioContext()
  await context.resume()
  const analyser = context.createAnalyser()
  analyser.fftSize = 16384
  analyser.smoothingTimeConstant = 0
  context.createMediaStreamSource(element.srcObject).connect(analyser)
  const bins = new Float32Array(analyser.frequencyBinCount)
  let best = { hz: 0, db: -Infinity }
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    if (turn < 5) continue // The first window still holds the silence before it.
    analyser.getFloatFrequencyData(bins)
    bins.forEach((db, bin) => {
      if (db > best.db) best = { hz: (bin * context.sampleRate) / analyser.fftSize, db }
    })
  }
  await context.close()
  return best
}"""
# Anything fainter is the noise of the codec.
_SILENCE_DB = -70


def write_tone(file: Path, hz: int) -> Path:
    """Ten seconds of a tone that comes and goes, as a voice does: a steady one would be filtered out as noise."""
    frames = bytearray()
    for n in range(RATE * 10):
        sounding = (n // (RATE // 10)) % 5 < 4
        level = 12_000 * math.sin(2 * math.pi * hz * n / RATE) if sounding else 0
        frames += struct.pack("<h", int(level))
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(bytes(frames))
    return file


@contextmanager
def browser_that_hears(browser: Browser, tone: Path) -> Iterator[Browser]:
    """A browser of its own: what its microphone hears is a setting of the whole browser."""
    launched = browser.browser_type.launch(
        executable_path=find_chromium(),
        args=[
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={tone}",
            # Both browsers are on this machine, where no other way may be open.
            "--allow-loopback-in-peer-connection",
        ],
    )
    try:
        yield launched
    finally:
        launched.close()


def heard_hz(page: Page) -> float | None:
    """The tone that arrives at a page; None for silence."""
    heard = page.evaluate(_LISTEN)
    return heard["hz"] if heard is not None and heard["db"] > _SILENCE_DB else None


def hears(page: Page, hz: int, attempts: int = 6) -> bool:
    """Whether this tone arrives, 10 Hz up or down: a connection that has just opened may need a moment."""
    return any((found := heard_hz(page)) is not None and abs(found - hz) <= 10 for _ in range(attempts))


@contextmanager
def turn_server(secret: str) -> Iterator[str]:
    """Debian's coturn, started as the compose file starts it; yields its address for browsers."""
    if shutil.which("turnserver") is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set and there is no turnserver; apt-get install coturn")
        pytest.skip("there is no coturn here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Loopback is never relayed to but here, where both browsers are on it.
    here = ["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers", "--cli-password=none"]
    environment = {"PATH": os.environ["PATH"], "TURN_SECRET": secret, "TURN_PORT": str(port)}
    with subprocess.Popen(
        ["/bin/sh", str(ROOT / "deploy" / "coturn.sh"), *here],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for_stun(port)
            yield f"turn:127.0.0.1:{port}?transport=udp"
        finally:
            server.kill()


def _wait_for_stun(port: int) -> None:
    """A binding request (RFC 8489) that is answered."""
    request = struct.pack("!HHI12s", 1, 0, 0x2112A442, b"guanjia-test")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        for _ in range(50):
            try:
                asking.sendto(request, ("127.0.0.1", port))
                asking.recv(1024)
            except OSError:
                time.sleep(0.1)
            else:
                return
    raise TimeoutError("the TURN server does not answer")
