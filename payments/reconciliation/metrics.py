"""What an operator can watch of reconciliation."""

from typing import Final

from prometheus_client import Counter, Gauge

OPEN: Final = Gauge(
    "guanjia_reconciliation_open",
    "Differences that nobody has closed, by level and by age in days (0, 1, 3, 7, 30: up to the next)",
    ["level", "age"],
    multiprocess_mode="mostrecent",
)
OPEN_FEN: Final = Gauge(
    "guanjia_reconciliation_open_fen", "The sum of them, in fen", ["level"], multiprocess_mode="mostrecent"
)
BILLS: Final = Counter("guanjia_channel_bills_total", "Bills of gateways that were asked for", ["channel", "outcome"])
