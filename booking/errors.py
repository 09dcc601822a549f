"""What booking may answer besides a booking.

BookingClash        409     it is taken then; `data.suggestions` can be had now
SeriesClash         409     some occurrences of a series are taken; `data.clashes` lists each
OutsideOpening      409     it is not open then
NotBookable         409     its rules do not allow this: too long, too early, retired, another unit's
TooManyBookings     409     this person has as many of its kind ahead as they may
QuotaExceeded       409     the unit or the person has had its hours of this kind in the week or the month
NothingFreeNearby   409     a call was to become a booking, and no hall is free there within the next quarter of an hour
NotNow              409     check-in begins fifteen minutes before the start, and ends when the booking is given up
NothingHere         404     the code is good, and its reader has nothing to check in there now
CodeUnknown         404     a code that is not ours, or of an hour ago
"""

from kernel.errors import GuanjiaError


class BookingClash(GuanjiaError):
    """`data.suggestions`: what else would do, best first; `data.bookable` is what was wanted."""

    code = "BOOKING_CLASH"
    status = 409
    message_zh = "这段时间已被占用"
    message_en = "It is taken at that time"


class SeriesClash(GuanjiaError):
    """`data.clashes`: starts_at, ends_at, code and suggestions of each occurrence that cannot be held; nothing was held."""

    code = "SERIES_CLASH"
    status = 409
    message_zh = "这一系列中有时段不能预订，没有占用任何时段"
    message_en = "Some of the series cannot be booked; nothing was held"


class OutsideOpening(GuanjiaError):
    """`data.opens_at`, `data.closes_at` (local wall time) and `data.weekdays`."""

    code = "OUTSIDE_OPENING"
    status = 409
    message_zh = "这段时间不开放"
    message_en = "It is not open at that time"


class NotBookable(GuanjiaError):
    """`data.rule`: retired, past, window, length, unit, capacity, layout, nights, driver, served or payer; `data.limit` where
    there is one."""

    code = "NOT_BOOKABLE"
    status = 409
    message_zh = "不符合预订规则"
    message_en = "The rules of this resource do not allow that booking"


class TooManyBookings(GuanjiaError):
    """`data.limit`: how many of its kind one person may have ahead."""

    code = "TOO_MANY_BOOKINGS"
    status = 409
    message_zh = "您已有 {limit} 个未结束的预订，不能再订"
    message_en = "You have {limit} bookings ahead already"


class NothingFreeNearby(GuanjiaError):
    """Another way of helping is wanted."""

    code = "NOTHING_FREE_NEARBY"
    status = 409
    message_zh = "附近没有现在可订的会议室，请换一种方式处理"
    message_en = "No room nearby is free now; please help in another way"


class NotNow(GuanjiaError):
    """`data.from` and `data.until`."""

    code = "NOT_NOW"
    status = 409
    message_zh = "现在不能签到：开始前 15 分钟起，到保留时间为止"
    message_en = "Check-in begins 15 minutes before the start, and ends when the booking is given up"


class QuotaExceeded(GuanjiaError):
    """`data.hours_max`, `data.left_minutes`; `data.period`: week or month; `data.per`: unit or person."""

    code = "QUOTA_EXCEEDED"
    status = 409
    message_zh = "超出预订额度（每期 {hours_max} 小时），还剩 {left_minutes} 分钟"
    message_en = "That is more than the quota of {hours_max} hours; {left_minutes} minutes are left"


class NothingHere(GuanjiaError):
    """`data.bookable`."""

    code = "NOTHING_HERE"
    status = 404
    message_zh = "您现在在这里没有可以签到的预订"
    message_en = "You have no booking to check in here now"


class CodeUnknown(GuanjiaError):
    code = "BOOKING_CODE_UNKNOWN"
    status = 404
    message_zh = "不是有效的签到码，请重新扫描"
    message_en = "This is no check-in code, or an old one; please scan again"
