"""`guanjia verify-statement FILE`: whether a statement is as it was signed. Needs no database, no server and no network."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from kernel.money import format_yuan
from payments.settlement.statements.line_file import StatementBroken, VerifiedFile, verify
from payments.settlement.statements.signatures import (
    Origin,
    SignatureRefused,
    check_signature,
    encode,
    read_root_key,
    shown,
)

commands = typer.Typer(no_args_is_help=True)

WRONG = 1
UNSIGNED = 2

_KINDS = {
    "unit": "单位 unit",
    "canteen": "食堂 canteen",
    "region_pair": "地区往来 region pair",
    "operator": "经营方 operator",
    "person": "个人 person",
    "book": "账本 book",
}


@commands.command("verify-statement", rich_help_panel="Money")
def verify_statement(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The line file (.lines).")],
    signature: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Its signature; else FILE.sig, where that is.")
    ] = None,
    root_key: Annotated[
        str | None, typer.Option(help="The root key you know them by: base64, or a file that holds it.")
    ] = None,
    trust_list: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The trust list you know them by (GET /v1/trust_list)."),
    ] = None,
) -> None:
    """Check a statement's line file: every line, the totals, the hash, the signature.

    Ends with 0 if all of it is good, with 1 at the first thing that is wrong, with 2 where there is no signature to check.
    """
    _speak_utf8()
    try:
        with file.open("rb") as source:
            verified = verify(source)
    except StatementBroken as broken:
        _refuse(f"第 {broken.line_number} 行：{broken.zh}\nLine {broken.line_number}: {broken.en}.")
    _tell(verified)
    beside = signature or file.with_name(file.name + ".sig")
    if not beside.exists():
        typer.echo(
            "\n没有签名文件，来源未经证明。\nThere is no signature beside it: who made it is not proved.", err=True
        )
        raise typer.Exit(UNSIGNED)
    _tell_origin(_origin_of(verified, beside, root_key, trust_list), verified)


def _origin_of(verified: VerifiedFile, beside: Path, root_key: str | None, trust_list: Path | None) -> Origin:
    try:
        return check_signature(
            beside.read_bytes(),
            verified.sha256,
            root_key=read_root_key(root_key) if root_key else None,
            trust_list=trust_list.read_bytes() if trust_list else None,
        )
    except SignatureRefused as refused:
        _refuse(f"签名：{refused.zh}\nSignature: {refused.en}.")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--root-key") from None


def _refuse(sentence: str) -> NoReturn:
    typer.echo(f"\n不相符，不予采信。REFUSED.\n{sentence}", err=True)
    raise typer.Exit(WRONG)


def _tell(verified: VerifiedFile) -> None:
    header = verified.header
    state = "已截止 final" if header["final"] else "未截止，仅供参考 draft"
    _say("对账单 Statement", f"{_KINDS.get(header['kind'], header['kind'])} · {_named(header['subject'])}")
    _say("账本 Book", _named(header["region"]))
    _say("期间 Period", f"{header['period']} · {state}")
    _say("日记账 Journal", " ".join(f"{lane}:{n}" for lane, n in header["vector"].items()))
    _say("明细 Lines", f"{header['count']}, {format_yuan(header['total_fen'])} CNY")
    for account, opening in header["opening_fen"].items():
        _say("期初 Opening", f"{account}  {format_yuan(opening)}")
    own = set(header["accounts"])
    for total in header["totals"]:
        if total["account"] in own:
            sums = f"借 debit {format_yuan(total['debit_fen'])}  贷 credit {format_yuan(total['credit_fen'])}"
            _say("科目 Account", f"{total['account']}  {sums}")
    for share in verified.header.get("shares", ()):
        weight, whole = sum(share["weights"][place] for place in share["places"]), sum(share["weights"])
        split = f"{format_yuan(share['base_fen'])} x {weight}/{whole} = {format_yuan(share['amount_fen'])}"
        _say("分成 Share", f"{_named(share['canteen'])}  {split}")
    _say("SHA-256", verified.sha256)


def _tell_origin(origin: Origin, verified: VerifiedFile) -> None:
    if origin.region != verified.header["region"]["id"]:
        _refuse("签名：不是账本所属地区的密钥\nSignature: the key is not that of the book's region.")
    _say("签名 Signature", f"{origin.region} · key {origin.kid} · {shown(origin.signed_at)}")
    _say("根密钥 Root key", encode(origin.root_key))
    if origin.pinned:
        typer.echo("\n相符。The statement is as it was signed.")
        return
    typer.echo(
        "\n相符，但根密钥未与您所知的核对（--root-key）。\n"
        "The statement is as it was signed; compare the root key with the one you know them by (--root-key)."
    )


def _named(party: dict[str, str]) -> str:
    return f"{party['name_zh']} {party['name_en']} ({party['code']})"


def _say(what: str, value: str) -> None:
    typer.echo(f"{what:<14} {value}")


def _speak_utf8() -> None:
    """Whatever the machine's locale: a statement is Chinese."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
