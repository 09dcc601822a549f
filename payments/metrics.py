"""What an operator can watch of the posting queue and of the books."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PAYMENTS: Final = Counter("guanjia_payments_total", "Payments that were posted and committed")
COMMITS: Final = Counter("guanjia_posting_commits_total", "Transactions of the posting queue")
BATCH_SIZE: Final = Histogram(
    "guanjia_posting_batch_size", "Requests in one transaction", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 400, 1000)
)
OFFENDERS: Final = Gauge(
    "guanjia_audit_offenders",
    "Rows that broke an invariant at the last audit",
    ["invariant"],
    multiprocess_mode="mostrecent",
)
AUDITED_AT: Final = Gauge(
    "guanjia_audit_at_seconds", "When the books were last audited, in unix seconds", multiprocess_mode="mostrecent"
)
CHANNEL_STEPS: Final = Counter(
    "guanjia_channel_steps_total",
    "Orders at a gateway that moved on, by who brought the word",
    ["channel", "state", "source"],
)
NOTICES: Final = Counter("guanjia_channel_notices_total", "Notices of gateways", ["channel", "outcome"])
