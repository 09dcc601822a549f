"""The words of the trade: Chinese, English, and the names they have in the code.

docs/glossary.md is made from this list (app/handbook/glossary.py). A test holds that every table's class and every event
is in it. Where the meaning is that of a class, its docstring says it; `meaning` is for words without one.
"""

from typing import Final, NamedTuple


class Term(NamedTuple):
    """One word. `names` are identifiers; the first one that is a class lends its docstring where `meaning` is empty."""

    zh: str
    en: str
    names: tuple[str, ...]
    meaning: str = ""


PLACES: Final = (
    Term("地区", "region", ("Region",)),
    Term("机构", "organisation", ("Organisation",)),
    Term("单位", "unit", ("unit_id",), "An organisation whose people share canteens and whose subsidies they eat by."),
    Term("运营方", "operator", ("operator_id",), "The organisation that runs a site."),
    Term("场所", "site", ("Site",)),
    Term("位置", "place", ("PlaceRow",)),
    Term(
        "位置类型",
        "kind of place",
        ("PlaceKind",),
        "campus 院区, building 楼, storey 楼层, room 房间, area 区域: each below a wider one.",
    ),
    Term("位置码", "printed place code", ("place_code_of",), "On a door or a wall: says by a scan where somebody is."),
    Term("终端, 消费机", "terminal, till", ("TerminalRow", "Terminal")),
    Term(
        "配对码",
        "pairing code",
        ("pairing_code",),
        "What a new till is enrolled with; good once, and for a while only.",
    ),
    Term("终端变更", "terminal changed", ("TerminalChanged",)),
    Term("平面图", "plan", ("Plan",), "A picture of a storey or of grounds, with the ways that are walked on it."),
    Term("路径点", "point of a plan", ("PlanPoint",)),
    Term("路径段", "edge of a plan", ("PlanEdge",), "Walked both ways; between two plans by stairs, a lift or a door."),
    Term("地点变更", "places changed", ("PlacesChanged",)),
    Term(
        "消费模式",
        "mode",
        ("TerminalMode",),
        "How a till forms the amount: keyed 金额, fixed 定额, menu 点菜, count 计次.",
    ),
    Term(
        "流水号",
        "sequence number",
        ("seq",),
        "A till's own count of its requests within an epoch; a number is used once.",
    ),
    Term("纪元", "epoch", ("epoch",), "A till whose storage was wiped begins a new one, and counts from 1 again."),
)

PEOPLE: Final = (
    Term("人员", "person", ("Person",)),
    Term(
        "人员类别",
        "person class",
        ("PersonClass",),
        "What a price depends on: staff 在职, contract 编外, retired 退休, family 家属, visitor 访客.",
    ),
    Term("归属", "membership", ("Membership",)),
    Term("入职", "person joined", ("PersonJoined",)),
    Term("归属变更", "membership changed", ("MembershipChanged",)),
    Term("人员状态变更", "person status changed", ("PersonStatusChanged",)),
    Term("角色", "role", ("RoleGrantRow", "Role")),
    Term("角色变更", "roles changed", ("RolesChanged",)),
    Term(
        "三员",
        "three administrators",
        ("ADMINISTRATORS",),
        "System, security and audit administrator: three people, never one.",
    ),
    Term("登录凭据", "credential", ("Credential",)),
    Term("登录会话", "session", ("SignInSession",)),
    Term("会话结束", "session ended", ("SessionEnded",)),
    Term("失败次数", "attempts", ("Attempts",)),
    Term("激活单", "activation slip", ("Activation",)),
    Term("动态口令", "second factor", ("SecondFactor",)),
    Term("待完成的登录", "pending sign-in", ("PendingSignIn",)),
    Term("统一身份认证登录", "campus sign-in", ("CampusSignIn",)),
    Term("统一身份认证账号", "campus identity", ("CampusIdentity",)),
    Term("双人审批", "two-person approval", ("Approval",)),
    Term("提请审批", "approval requested", ("ApprovalRequested",)),
    Term("审批结果", "approval decided", ("ApprovalDecided",)),
)

MONEY: Final = (
    Term("一卡通", "one card", ("holder",), "One account for card, code and phone, good at every canteen."),
    Term("账户, 持有人", "holder", ("Holder",)),
    Term("账户索引", "holder directory", ("HolderDirectory",)),
    Term("账户状态变更", "holder state changed", ("HolderStateChanged",)),
    Term("钱包", "purse", ("Purse",)),
    Term("现金", "cash", ("cash_fen",), "Money that is the holder's own."),
    Term("公务", "official", ("official_fen",), "Money for official meals; kept apart from the holder's own."),
    Term("补贴", "subsidy lot", ("SubsidyLot",)),
    Term("补贴发放", "grant", ("Grant",)),
    Term("补贴到账", "subsidy granted", ("SubsidyGranted",)),
    Term("补贴规则", "subsidy rule", ("SubsidyRule",)),
    Term("考勤表", "list of attendance", ("AttendanceMonth",)),
    Term("补贴批次", "subsidy batch", ("SubsidyBatch",)),
    Term("批次明细", "row of a batch", ("SubsidyBatchRow",)),
    Term("补贴收回", "subsidy taken back", ("SubsidyTakenBack",)),
    Term("补贴结转", "subsidy carried over", ("SubsidyCarriedOver", "CarryOver")),
    Term("到期提醒", "warning of expiry", ("SubsidyWarning", "SubsidyExpiring")),
    Term("补贴到期", "subsidy expired", ("SubsidyExpired",)),
    Term("单位应收", "unit receivable", ("UnitReceivable",)),
    Term("单位付款方式", "funding terms", ("FundingTerms",)),
    Term(
        "补贴清零",
        "expiry",
        ("expire_lots",),
        "What is unspent of a lot 72 hours after its last day goes back to the unit, never to cash.",
    ),
    Term("预存", "prefund", ("UnitPrefund",)),
    Term("充值", "top-up", ("TopUp",)),
    Term("充值成功", "top-up succeeded", ("TopUpSucceeded",)),
    Term("充值关闭", "top-up closed", ("TopUpClosed",)),
    Term("访客付款成功", "guest payment succeeded", ("GuestPaymentSucceeded",)),
    Term("访客付款未成", "guest payment ended", ("GuestPaymentEnded",)),
    Term("访客退款", "guest payment refunded", ("GuestPaymentRefunded",)),
    Term("访客退款失败", "guest refund failed", ("GuestRefundFailed",)),
    Term("充值退回", "top-up refunded", ("TopUpRefunded",)),
    Term("充值退回失败", "top-up refund failed", ("TopUpRefundFailed",)),
    Term("渠道", "channel of payment", ("Channel",), "Somebody else's gateway that money comes through: Alipay."),
    Term("渠道订单", "channel order", ("ChannelOrder",)),
    Term("渠道订单经过", "channel step", ("ChannelStep",)),
    Term("渠道通知", "channel notice", ("ChannelNotice",)),
    Term("差错, 差异", "difference case", ("DifferenceCase",)),
    Term("渠道退款", "refund through a gateway", ("ChannelRefund",)),
    Term("访客付款", "guest payment", ("GuestPayment",)),
    Term("冻结款", "hold", ("Hold",)),
    Term("提现", "withdrawal", ("Withdrawal",)),
    Term("服务计费", "charge of a service", ("ServiceCharge",)),
    Term("计费退回", "refund of a charge", ("ChargeRefund",)),
    Term("提现进展", "withdrawal changed", ("WithdrawalChanged",)),
    Term("异议, 有问题", "dispute", ("Dispute",)),
    Term("异议经过", "dispute step", ("DisputeStep",)),
    Term("异议进展", "dispute changed", ("DisputeChanged",)),
    Term("实体卡", "card", ("Card",)),
    Term("卡号索引", "card directory", ("CardDirectory",)),
    Term(
        "凭证",
        "credential",
        ("credential",),
        "What a payment is made with: pay_code 付款码, card 实体卡, staff_pin 工号加密码; on the phone, wall_code 收款码.",
    ),
    Term("支付密码", "PIN", ("PaymentPin",)),
    Term("收款码, 主扫", "wall code", ("PlaceCode",)),
    Term(
        "挂失, 解挂, 补卡",
        "report lost, unlist, reissue",
        ("report_lost", "unlist", "reissue"),
        "A lost card or phone is refused everywhere; the money stays.",
    ),
    Term("付款码", "pay code", ("PayCode",)),
    Term(
        "离线付款码",
        "voucher",
        ("VoucherView", "issue_voucher"),
        "A pay code for one meal that a phone fetches before it is without a network.",
    ),
    Term(
        "离线码块",
        "offline block",
        ("offline_block",),
        "The 200 signed digits after the 20 of a pay code: proof without a network.",
    ),
    Term("签名密钥", "signing key", ("SigningKey",)),
    Term("根密钥", "root key", ("RootKey",)),
    Term("信任列表", "trust list", ("trust_list",), "The public keys that tills accept, signed by the root key."),
    Term("终端请求", "terminal request", ("TerminalRequest",)),
    Term("消费", "payment", ("Payment",)),
    Term("消费成功", "payment succeeded", ("PaymentSucceeded",)),
    Term("扣款明细", "leg", ("Leg", "legs"), "A part of a payment, out of one purse and one lot of it."),
    Term("价格说明", "trace", ("trace",), "The reasons of a price, stored with the payment, in sentences."),
    Term("撤销, 退款", "void, refund", ("Reversal",)),
    Term("已撤销", "payment voided", ("PaymentVoided",)),
    Term("已退款", "payment refunded", ("PaymentRefunded",)),
    Term("限次, 限额", "usage counter", ("UsageCounter",)),
    Term(
        "营业日",
        "business date",
        ("business_date",),
        "The day that a sale belongs to; it ends at 02:00 local time, not at midnight.",
    ),
)

BOOKS: Final = (
    Term("账本", "book", ("region_id",), "The accounts of one region. A line never leaves its book."),
    Term("科目", "account", ("Account",), "`kind:owner` in a book, such as `cash:<holder>` or `payable:<canteen>`."),
    Term("分录行", "ledger line", ("LedgerLine",)),
    Term("记账批次", "ledger batch", ("LedgerBatch",)),
    Term("科目变动", "account delta", ("AccountDelta",)),
    Term("会计期间", "accounting period", ("AccountingPeriod",)),
    Term("通道", "lane", ("Lane",)),
    Term("桶", "bucket", ("bucket",), "A holder's number from 0 to 999, for life; 1000 for what belongs to no holder."),
    Term("应付食堂", "payable", ("payable",), "What a region's book owes a canteen."),
    Term(
        "应付他区, 应收他区",
        "due to, due from",
        ("due_to", "due_from"),
        "What one region owes another for its people's meals, in both books.",
    ),
)

SETTLEMENT: Final = (
    Term("结算", "settlement", ("settlement",), "A month of one region's book on its way from open to locked."),
    Term("结算经过", "settlement step", ("SettlementStep",)),
    Term("结算进展", "settlement advanced", ("SettlementAdvanced",)),
    Term(
        "截止", "cut off", ("cut_off",), "From then on nothing is booked in the month; the journal's position is kept."
    ),
    Term("期间科目汇总", "settlement total", ("SettlementTotal",)),
    Term("单位补贴汇总", "unit total", ("UnitTotal",)),
    Term("对账确认单", "settlement statement", ("SettlementStatement",)),
    Term("对账单已发送", "statement sent", ("StatementSent",)),
    Term("食堂分成", "canteen share", ("CanteenShare",), "How a canteen's takings are shared with its operator."),
    Term("分成结果", "settlement share", ("SettlementShare",)),
    Term("对账异议", "line dispute", ("LineDispute",), "A line of a statement that one side does not agree with."),
    Term("挂账", "suspense", ("suspense",), "Where a disputed sum waits while the rest settles."),
    Term(
        "轧差, 清算", "netting, clearing", ("Clearing",), "Debts of regions set against each other; banks move the net."
    ),
    Term("划款指令", "bank instruction", ("BankInstructionRow", "BankInstruction")),
    Term("收款账户", "bank account", ("BankAccount",)),
    Term("食堂款已付", "payout paid", ("PayoutPaid",)),
    Term("调整凭证", "adjustment voucher", ("AdjustmentVoucher",)),
    Term(
        "迟到消费",
        "late sale",
        ("LateCase",),
        "Booked in a later month than its business date's; after seven days a person looks.",
    ),
    Term(
        "明细文件",
        "line file",
        ("LineFileWriter",),
        "A statement line by line, signed, to be checked without a database.",
    ),
    Term("科目映射", "voucher mapping", ("VoucherMapping",), "Our accounts in somebody's own chart of accounts."),
    Term("记账凭证", "voucher", ("Voucher",), "A day's lines of one kind in that chart: debits and credits."),
    Term("外部平台地区", "partner region", ("PartnerRegion",), "A region whose books another installation keeps."),
    Term("外部平台对账单", "partner statement", ("PartnerStatement",)),
    Term(
        "异地就餐垫付",
        "away",
        ("AWAY",),
        "`away:<region>`: what our people ate in a region of another installation, to be borne by their units.",
    ),
)

RECONCILIATION: Final = (
    Term("对账", "reconciliation run", ("ReconciliationRun",)),
    Term("对账完成", "reconciliation finished", ("ReconciliationFinished",)),
    Term("差错", "difference", ("Difference",)),
    Term("差错关闭", "difference closed", ("DifferenceClosed",)),
    Term("长款", "over", ("missing_here",), "They have it and we do not."),
    Term("短款", "short", ("missing_there",), "We have it and they do not."),
    Term("渠道账单", "channel bill", ("ChannelBill",)),
    Term("账单明细", "channel bill row", ("ChannelBillRow",)),
    Term("取账单", "bill fetch", ("BillFetch",)),
    Term("银行对账单", "bank statement", ("BankStatement",)),
    Term("银行流水", "bank line", ("BankLine",)),
    Term("人事名单", "personnel list", ("HrList",)),
    Term("名单人员", "row of a personnel list", ("HrListRow",)),
)

DOOR: Final = (
    Term("商户", "merchant", ("merchant",), "A site with its own payable account, as another program sees it."),
    Term("密钥", "secret key", ("SecretKey",)),
    Term("支付意图", "payment intent", ("PaymentIntent",)),
    Term("接口幂等键", "door request", ("DoorRequest",)),
    Term("未了结的尝试", "attempts begun", ("DoorBegun",)),
    Term("接口退款", "door refund", ("DoorRefund",)),
    Term("接口事件", "door event", ("DoorEvent",)),
    Term("回调地址", "webhook endpoint", ("WebhookEndpoint",)),
    Term("回调投递", "webhook delivery", ("WebhookDelivery",)),
    Term("投递尝试", "webhook attempt", ("WebhookAttempt",)),
)

CANTEENS: Final = (
    Term("食堂", "canteen", ("Canteen",)),
    Term("就餐单位", "canteen unit", ("CanteenUnit",)),
    Term("餐别", "meal", ("Meal",), "breakfast 早餐, lunch 午餐, dinner 晚餐, night 夜宵."),
    Term("餐段", "meal period", ("MealPeriod",)),
    Term("价格", "price", ("Price",)),
    Term("单位承担", "unit share", ("unit_share_fen",), "The most that subsidies may pay of a meal; the rest is cash."),
    Term("限制", "limit", ("Limit",)),
    Term("菜品", "dish", ("Dish",)),
    Term("菜单", "menu", ("Menu",)),
    Term("菜单项", "menu item", ("MenuItem",)),
    Term("售完", "menu item changed", ("MenuItemChanged",)),
    Term("收银密码", "till PIN", ("TillPin",)),
    Term("班次", "shift", ("Shift",)),
    Term("开班", "shift opened", ("ShiftOpened",)),
    Term("交班", "shift handed over", ("ShiftHandedOver",)),
    Term("班内撤销", "shift return", ("ShiftReturn",)),
    Term("交接单", "hand-over sheet", ("sheet",), "Counts and sums of a shift, beside what the ledger's lines say."),
    Term("打印机", "till printer", ("TillPrinter",)),
    Term("每分钟收入", "minute total", ("MinuteTotal",)),
    Term("最近付款", "last payments", ("LastPayments",)),
    Term(
        "份数",
        "covers",
        ("Covers",),
        "Places at one meal, held for a meeting; the kitchen sees how many and what they cannot eat.",
    ),
    Term("份数变化", "covers changed", ("CoversChanged",)),
    Term("接待能力", "cover capacity", ("CoverCapacity",)),
    Term("接待日", "cover day", ("CoverDay",)),
    Term("看板", "board", ("board",), "The latest figures of a canteen, sent at most four times a second."),
)

TELLING: Final = (
    Term(
        "事件",
        "event",
        ("Event",),
        "Something that happened, told after its commit to those it concerns, and never changed.",
    ),
    Term("发件箱", "outbox", ("OutboxRow",)),
    Term("转发", "relay", ("Relay",), "Gives every event its position in each channel that hears it."),
    Term("转发进度", "relay cursor", ("RelayCursor",)),
    Term("频道", "channel", ("channel",), "What a socket subscribes to: `me`, `canteen:<id>`, `region:<id>`."),
    Term("频道事件", "channel event", ("ChannelEvent",)),
    Term("频道位置", "channel head", ("ChannelHead",)),
    Term("处理进度", "handler cursor", ("HandlerCursor",)),
)

REACHING: Final = (
    Term("触达渠道", "reaching channel", ("ReachChannel",)),
    Term("通知设备", "push device", ("PushDevice",)),
    Term("推送密钥", "push key", ("PushKey",)),
    Term("触达记录", "delivery", ("reach_deliveries", "Delivery")),
    Term("触达进展", "delivery changed", ("DeliveryChanged",)),
    Term("触达尝试", "delivery attempt", ("DeliveryAttempt",)),
    Term("线路验证", "path proof", ("PathProof",)),
    Term("线路", "path", ("Path",), "One way to somebody: a device, a telephone, a mail address, a group's robot."),
)

DUTY: Final = (
    Term("值班组", "duty team", ("DutyTeam",)),
    Term("值班员", "duty member", ("DutyMember",)),
    Term("轮班", "rotation", ("DutyRotation",)),
    Term(
        "班", "duty shift", ("shift_id",), "Somebody's turn: made of rotations and overrides whenever it is asked for."
    ),
    Term("替班", "override", ("DutyOverride",)),
    Term("换班", "swap", ("DutySwap",)),
    Term("交班留言", "hand-over note", ("DutyNote",)),
    Term("值班签到", "sign-in to duty", ("DutySignIn",)),
    Term("值班日历", "duty calendar", ("DutyFeed",)),
    Term("试响", "test ring", ("DutyRing",)),
    Term("值班预警", "duty warning", ("DutyWarning", "DutyWarned")),
    Term("值班变动", "duty changed", ("DutyChanged",)),
    Term("换班进展", "swap changed", ("DutySwapChanged",)),
)

CALLS: Final = (
    Term("一键呼叫", "one-touch call", ("Call",)),
    Term("呼叫步骤", "call step", ("CallStep",)),
    Term("呼叫变更", "call changed", ("CallChanged",)),
    Term("响铃", "ring", ("CallRing",)),
    Term("正在响铃", "call ringing", ("CallRinging",)),
    Term("响铃回执", "ring receipt", ("CallReceipt",)),
    Term("回执记录", "receipt noted", ("CallReceiptNoted",)),
    Term("呼叫消息", "call message", ("CallMessage",)),
    Term("收到消息", "message written", ("CallMessageWritten",)),
    Term("响铃策略", "escalation policy", ("CallPolicy",)),
    Term(
        "升级",
        "escalation",
        ("escalate",),
        "The next step of a policy rings, because nobody has answered the one before.",
    ),
    Term("墙面按钮", "wall button", ("CallButton",)),
    Term("在岗", "desk presence", ("DeskPresence",)),
    Term("在岗变更", "desk presence changed", ("DeskPresenceChanged",)),
    Term("值班台告警", "desk alarm changed", ("DeskAlarmChanged",)),
)

REPAIR_PROMISES: Final = (
    Term("服务时限", "promise of repairs, SLA target", ("SlaTarget",)),
    Term("服务时间", "hours of a place", ("SlaHours",)),
    Term("时限计时", "clock of an order", ("SlaClock",)),
    Term(
        "节点",
        "milestone",
        ("SlaMilestone",),
        "response 响应, arrival 到场, resolution 完成: when each is due, was warned of, breached and reached.",
    ),
    Term("暂停计时", "pause", ("SlaPause",)),
    Term("时限预警", "promise at risk", ("SlaWarned",)),
    Term("时限超期", "promise breached", ("SlaBreached",)),
    Term("时限重算", "promises counted anew", ("SlaRecounted",)),
)

BOOKINGS: Final = (
    Term("可预订资源", "bookable", ("Bookable",)),
    Term("预订", "booking", ("Booking",)),
    Term("系列预订", "booking series", ("BookingSeries",)),
    Term("预订经过", "booking step", ("BookingStep",)),
    Term("预订变化", "booking changed", ("BookingChanged",)),
    Term("占位", "hold", ("held",), "A time taken for ten minutes, until its organiser confirms or lets it go."),
    Term("候补", "waiting list", ("waitlisted",), "Who wants a time that is taken, in the order in which they came."),
    Term("司机", "driver", ("BookingDriver",)),
    Term(
        "预订额度",
        "booking quota",
        ("BookingQuota",),
        "Hours of a kind that a unit or a person may have in a week or a month.",
    ),
    Term("代订人", "delegate", ("BookingDelegate",), "Who may book and act for somebody."),
    Term("受邀人", "invitee", ("BookingInvitee",)),
    Term(
        "私密地址",
        "secret address",
        ("BookingAddress",),
        "A calendar, or the display at a door, for whoever has its address.",
    ),
    Term("停用时段", "closure", ("NewClosure",), "A time in which the office lets nobody have a bookable."),
)

MEETINGS: Final = (
    Term("会议", "meeting", ("Meeting",), "Hall, rooms, cars, meals and badges asked for as one, and held as one."),
    Term("会议项目", "line of a meeting", ("MeetingLineRow", "MeetingLine")),
    Term("会议经过", "meeting step", ("MeetingStep",)),
    Term("会议变化", "meeting changed", ("MeetingChanged",)),
    Term("来宾", "guest of a meeting", ("MeetingGuest",)),
    Term("参会码", "attendee code", ("guest_code",), "Signed; counts once at each step, with a network or without."),
    Term("扫码签到", "scan", ("MeetingScan",)),
    Term("来宾签到", "guest arrived", ("GuestArrived",)),
    Term("变更通知", "notice", ("MeetingNotice",), "A change that guests are told of; several make one letter."),
    Term("会议费用", "charge for a meeting", ("MeetingCharge",)),
    Term("会议规则", "meeting policy", ("MeetingPolicy",)),
    Term("会议指南", "guide", ("Guide",), "Agenda, places, menus and contacts, for whoever has the code."),
)

REPAIRS: Final = (
    Term("工单", "work order", ("WorkOrder",)),
    Term("工单变化", "work order changed", ("WorkOrderChanged",)),
    Term("工单记事", "work order noted", ("WorkOrderNoted",)),
    Term("当事人", "party", ("WorkOrderParty",), "Whoever raised an order or is served by it, also when merged."),
    Term("工单步骤", "step", ("WorkOrderStep",)),
    Term("派单", "offer", ("WorkOrderOffer",), "That an order was somebody's, by which way, and how that ended."),
    Term("备注", "note", ("WorkOrderNote",)),
    Term("检查项", "check", ("WorkOrderCheck",)),
    Term("工时", "labour", ("WorkOrderLabour",)),
    Term("离线改动", "change", ("WorkOrderChange",), "What became of a change that a phone named."),
    Term("评价", "rating", ("WorkOrderRating",)),
    Term("报修类别", "repair category", ("RepairCategory",)),
    Term("维修员", "technician", ("Technician",)),
    Term("访客报修人", "guest", ("RepairGuest",), "Somebody without a sign-in, who follows an order by a ticket."),
    Term("共性问题", "problem", ("RepairProblem",), "Many orders of one kind in one house."),
    Term("共性问题变化", "problem changed", ("ProblemChanged",)),
    Term("设备资产", "asset", ("Asset",)),
    Term("抢单", "claim", ("claim",), "A technician takes what nobody has."),
    Term("并单", "merge", ("merge",), "Two reports of one thing become one order; both keep their people."),
)

HOUSE: Final = (
    Term("幂等请求", "idempotent request", ("IdempotentRequest",)),
    Term("定时", "timer", ("TimerRow",)),
    Term("文件", "file", ("StoredFile",)),
    Term("邮件", "mail", ("Mail",), "A letter that waits for the worker; sealed until it is sent."),
    Term("工作日历", "work calendar", ("CalendarDay",)),
    Term(
        "配置版本",
        "configuration version",
        ("Configuration",),
        "One number that rises with every change which posting keeps in memory.",
    ),
    Term("审计日志", "audit log", ("AuditRow",), "Who did what to which thing; append-only."),
    Term("审计封印", "audit seal", ("AuditSeal",)),
    Term("待封印", "unsealed audit", ("UnsealedAudit",)),
)

SECTIONS: Final = {
    "Places and tills 地点与终端": PLACES,
    "People 人员": PEOPLE,
    "Money 钱": MONEY,
    "Books 账": BOOKS,
    "Settlement 结算": SETTLEMENT,
    "Reconciliation 对账": RECONCILIATION,
    "Other programs 外部程序": DOOR,
    "Canteens 食堂": CANTEENS,
    "Telling 通知": TELLING,
    "Reaching 触达": REACHING,
    "Duty 值班": DUTY,
    "Calls 一键呼叫": CALLS,
    "Promises of repairs 维修时限": REPAIR_PROMISES,
    "Bookings 预订": BOOKINGS,
    "Meetings 会议": MEETINGS,
    "Repairs 报修": REPAIRS,
    "The house 系统": HOUSE,
}
