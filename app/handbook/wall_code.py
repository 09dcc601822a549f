"""docs/wall-code.md: the printed code HZW1, with a vector; how it is made known, scanned, paid, and ended.

The key is fixed and public: it signs nothing but this page.
"""

from typing import Final
from uuid import UUID

from app.handbook.markdown import fenced, page, table
from payments.errors import PlaceCodeEnded, PlaceCodeUnknown
from payments.posting_rule import DenyCode
from payments.wall_codes.nearness import DOUBT_MAX_M, FAR_M
from payments.wall_codes.place_code_format import (
    PLACE_CODE_LENGTH,
    PREFIX,
    SIGNED_PREFIX,
    TAG_LENGTH,
    VERSION,
    place_tag,
    write_place_code,
)

KEY: Final = bytes(range(32))
CODE: Final = UUID("0199c0de-0000-7000-8000-000000000001")
SITE: Final = UUID("0199c0de-0000-7000-8000-000000000002")
TILL: Final = UUID("0199c0de-0000-7000-8000-000000000003")


def wall_code_page() -> str:
    """The whole page."""
    return page("The wall code HZW1", _LEAD, _format(), _vector(), _life(), _swapped())


_LEAD: Final = f"""A canteen, or one of its tills, has a printed code. Who eats there scans it with the phone's own camera or within the pay
page, sees the canteen's name, confirms the price or keys an amount, and pays; the till shows it and says it. The QR code holds an
address, `<public address>/pay/<{PLACE_CODE_LENGTH} digits>`. The sheet comes from the admin pages, or from `GET /v1/place_codes/sheet`."""


def _format() -> str:
    rows = [
        ("1-2", "2", f"`{PREFIX}`: no prefix of Alipay, WeChat Pay, UnionPay, nor of the pay code (70)"),
        ("3", "1", f"version, `{VERSION}`"),
        ("4-69", "66", f"27 bytes in the block code D17 of [the pay code](pay-code.md): 16 of the code's id, {TAG_LENGTH} of the tag"),
        ("70", "1", "Luhn digit over the 69 before it"),
    ]  # fmt: skip  # one row a field
    return (
        "## Format\n\n"
        + table(("digits", "length", "what"), rows)
        + f"\n\nThe tag is the first {TAG_LENGTH} bytes of HMAC-SHA256 over ASCII `{SIGNED_PREFIX.decode()}`, the id, the site's id and the till's id "
        "(16 zero bytes for the code of a whole canteen), with a key derived from `GUANJIA_SECRET_KEY`. It is no public signature: a "
        "printed code lives for years, and only the server can say whether it still counts. The site stands in the tag and not in the "
        "code, so that a row of the database that was bent to another canteen fails as a forged code does. A new secret key ends all "
        "printed codes."
    )


def _vector() -> str:
    tag = place_tag(KEY, CODE, SITE, TILL)
    lines = [
        f"key     {KEY.hex()}",
        f"id      {CODE.hex}",
        f"site    {SITE.hex}",
        f"till    {TILL.hex}",
        f"tag     {tag.hex()}",
        f"digits  {write_place_code(CODE, tag)}",
    ]
    return "## A vector\n\nThe key is known to everybody and signs nothing but this.\n\n" + fenced("\n".join(lines))


def _life() -> str:
    rows = [
        ("issued", "200 with the canteen and the price", "201, or a refusal as at any till"),
        ("replaced by a newer issue, or revoked", f"{PlaceCodeEnded.status} `{PlaceCodeEnded.code}`", f"402 `{DenyCode.CODE_EXPIRED.value}`"),
        ("none of ours, altered, or bent to another site", f"{PlaceCodeUnknown.status} `{PlaceCodeUnknown.code}`", f"402 `{DenyCode.CODE_UNKNOWN.value}`; after ten in a minute 429"),
        ("its till is out of service", "200, with the refusal", f"402 `{DenyCode.TERMINAL.value}`"),
    ]  # fmt: skip  # one row a state
    return (
        "## Its life\n\nOne code of a place counts; a new issue ends the one before it at once.\n\n"
        + table(("the code", "`GET /v1/place_codes/{digits}`", "`POST /v1/me/scan_payments`"), rows)
        + "\n\n`POST /v1/me/scan_payments` goes through the tills' own posting queue: the same limits, reasons, bodies and rules of the "
        "`Idempotency-Key`, which belongs to the payer. `payment.succeeded` on `canteen:<id>` carries `credential: wall_code`."
    )


def _swapped() -> str:
    return (
        "## A code stuck over another canteen's\n\n"
        "- A code that somebody made fails its tag, and the page says not to pay.\n"
        "- A code of another canteen of ours names that canteen, large, before anybody pays, and only that canteen's till speaks.\n"
        f"- Where the phone says roughly where it is, and somebody has entered the canteen's coordinates, a phone that is more than {FAR_M:,} m away "
        f"(its own doubt believed up to {DOUBT_MAX_M:,} m) is warned before paying. A payment made all the same carries `far_m`, which the payer and "
        "the canteen see. The coordinates themselves are compared and not kept."
    )
