"""What must hold of money at every moment, as a list: a name, a sentence, and the SQL that returns the offending rows.

The tests of payments assert after each story that it finds nothing. The queries stand in invariant_queries.py; the numbers are
those of the design. app/invariants.py has this list beside those of other domains.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import invariants
from kernel.invariants import Finding, Invariant, Offender, find_offenders
from payments import invariant_queries

__all__ = ["INVARIANTS", "Finding", "Invariant", "Offender", "audit", "find_offenders"]

INVARIANTS: Final = (
    Invariant(
        "I1",
        "每个地区的账本借贷相等, 两地往来互为镜像",
        "The entries of each region's book sum to 0, and what two regions owe each other stands alike in both books",
        invariant_queries.I1,
    ),
    Invariant(
        "I2",
        "余额等于其分录之和, 版本号等于分录数",
        "A balance is the fold of its entries, and its version is their number: purses, lots, prefunds, house accounts",
        invariant_queries.I2,
    ),
    Invariant(
        "I3",
        "可用余额不为负, 冻结金额等于未结预授权之和",
        "What is available is never below 0, and what is set aside is the sum of the open holds",
        invariant_queries.I3,
    ),
    Invariant(
        "I4",
        "退款不超过各支付部分, 状态与退款一致",
        "No leg gives back more than it paid, and a payment's status and refunded sum are those of its voids and refunds",
        invariant_queries.I4,
    ),
    Invariant(
        "I5",
        "每台终端的每个流水号、每个幂等键、每个付款码只付一次",
        "One payment for each number of a terminal, for each key, and for each pay code",
        invariant_queries.I5,
    ),
    Invariant(
        "I6",
        "已确认的付款必然存在且完整",
        "Every acknowledged payment exists, with its request and its ledger lines; what was refused was not paid",
        invariant_queries.I6,
    ),
    Invariant(
        "I7",
        "每条通道的哈希链未断",
        "The hash chain of each lane is unbroken: no link is missing and the lines are those that were sealed",
        invariant_queries.I7,
    ),
    Invariant(
        "I8",
        "每笔消费恰好属于一个结算期间, 对账净额等于其明细之和",
        "A payment is in exactly one period, nothing is booked in one after its cut-off, and what was counted, stated and instructed are the sums of its lines",
        invariant_queries.I8,
    ),
    Invariant(
        "I9",
        "每次状态变化恰好通知一次",
        "Every payment, void, refund, top-up, guest payment, grant and end of a lot was told by exactly one event",
        invariant_queries.I9,
    ),
    Invariant(
        "I10",
        "渠道确认收到的钱已全部入账, 否则有未结的差错单",
        "Money that a gateway confirmed is credited, once and to the fen, or a difference case is open",
        invariant_queries.I10,
    ),
    Invariant(
        "I11",
        "对渠道订单的认知只增不减",
        "What is known of an order at a gateway never becomes less: the rank of its states only rises",
        invariant_queries.I11,
    ),
    Invariant(
        "I12",
        "各部分之和等于总额, 过期补贴已清空",
        "Legs sum to the whole, lots stay between 0 and what was granted, and a lot that has ended is empty",
        invariant_queries.I12,
    ),
    Invariant(
        "I13",
        "每人每餐每日至多一次补贴",
        "At most one subsidised meal for each person, meal and business day",
        invariant_queries.I13,
    ),
    Invariant(
        "I14",
        "每笔服务计费及其退回在账中各有一次且金额相符",
        "Every charge of a service, and what was given back of it, stands in the ledger once and to the fen",
        invariant_queries.I14,
    ),
)


async def audit(session: AsyncSession) -> list[Finding]:
    """Ask every question about money, in order."""
    return await invariants.audit(session, INVARIANTS)
