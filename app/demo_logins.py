"""The demo's logins, as a file in the data folder: written when the demo is seeded, read with the server stopped too."""

import json
import os
from pathlib import Path
from typing import Any

from app.simulators.opening import alipay_url
from kernel.settings import Settings


def demo_file(data_dir: Path) -> Path:
    """Where they are kept."""
    return data_dir / "demo.json"


def write_demo_logins(data_dir: Path, logins: dict[str, Any]) -> None:
    """Keep them, readable by the owner only."""
    write_private_json(demo_file(data_dir), logins)


def write_private_json(target: Path, value: dict[str, Any]) -> None:
    """Tokens and passwords: for the owner's eyes, and there as a whole or not at all."""
    unfinished = target.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
    unfinished.replace(target)


def read_demo_logins(data_dir: Path) -> dict[str, Any] | None:
    """As `guanjia demo --json` prints them; None where no demo has been seeded."""
    try:
        found: dict[str, Any] = json.loads(demo_file(data_dir).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def base_url(settings: Settings) -> str:
    """Where the product was last reached; where it will be, if it has never run."""
    try:
        return _base_url_file(settings.data_dir).read_text().strip()
    except FileNotFoundError:
        return _address(settings, settings.port)


def remember_base_url(settings: Settings, port: int) -> str:
    """For `guanjia demo`, which must tell it with the server stopped too."""
    address = _address(settings, port)
    _base_url_file(settings.data_dir).write_text(f"{address}\n")
    return address


def _base_url_file(data_dir: Path) -> Path:
    return data_dir / "base_url"


def _address(settings: Settings, port: int) -> str:
    if settings.public_url is not None:
        return settings.public_url
    everywhere = settings.host in ("0.0.0.0", "::")  # noqa: S104  compared only
    host = "127.0.0.1" if everywhere else settings.host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _duties(login: dict[str, Any]) -> str:
    """What somebody does, and with which PIN they sign at a till."""
    roles = ", ".join(login["roles"])
    return f"{roles} (till PIN {login['till_pin']})" if "till_pin" in login else roles


def describe(logins: dict[str, Any]) -> str:
    """For people: who may sign in where."""
    lines = [f"{logins['base_url']}", "", "Employees (/):"]
    lines += [f"  {p['username']:<20} {p['password']:<20} {p['name']}  {p['class']}" for p in logins["employees"]]
    lines += ["", "Staff (/desk, /admin):"]
    lines += [f"  {p['username']:<20} {p['password']:<20} {_duties(p)}" for p in logins["staff"]]
    lines += ["", "Terminals (/terminal):"]
    lines += [f"  {t['id']:<40} {t['canteen']}  {', '.join(t['modes'])}" for t in logins["terminals"]]
    return "\n".join([*lines, "", "With tokens: guanjia demo --json"])


def welcome(base_url: str, data_dir: Path) -> str:
    """What `make run` says once everything is up."""
    lines = ["", "管家 Guanjia is running.", ""]
    pages = [
        ("/demo", "phone and till side by side: start here"),
        ("/", "the employee's phone page"),
        ("/terminal", "the cashier's till"),
        ("/desk", "the service desk: calls for help ring here"),
        ("/desk/repairs", "repairs, by how far they are"),
        ("/desk/canteen", "the canteen's live board"),
        ("/booking", "halls, rooms and cars, and a whole meeting in one form"),
        ("/admin", "organisations, people, prices"),
        ("/docs", "the HTTP interface"),
    ]
    lines += [f"  {base_url + path:<40} {what}" for path, what in pages]
    if (simulator := alipay_url(data_dir)) is not None:
        lines.append(f"  {simulator + '/':<40} the simulated Alipay: pay as a person, or let it fail")
    logins = read_demo_logins(data_dir)
    if logins is not None:
        people = [(p, p.get("class", "employee")) for p in logins.get("employees", [])[:2]]
        people += [(p, ", ".join(p.get("roles", []))) for p in logins.get("staff", [])[:4]]
        lines += ["", "  Demo logins (all of them: ./guanjia demo):"]
        lines += [f"  {person['username']:<20} {person['password']:<20} {what}" for person, what in people]
    return "\n".join([*lines, ""])
