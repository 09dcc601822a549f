"""What meetings may answer besides a meeting.

MeetingClash           409     some lines cannot be held; nothing was. `data.clashes` says which, and what could be had instead
BookingOfMeeting       409     a booking that belongs to a meeting is changed with the meeting
NotEnoughRooms         409     fewer free rooms of the type than are wanted
NoCar                  409     no free car that is large enough
GuestHasArrived        409     who was counted somewhere is not taken off the list
GuestsHaveBadCells     422     the sheet's wrong cells, each named; nothing was taken
"""

from kernel.errors import GuanjiaError, Malformed


class MeetingClash(GuanjiaError):
    """`data.clashes`: line, kind, code, message_zh, message_en, data, suggestions (kind, line), the best one first. The
    first suggestions of all clashes can be had together."""

    code = "MEETING_CLASH"
    status = 409
    message_zh = "有些项目订不到，没有占用任何资源"
    message_en = "Some lines cannot be had; nothing was held"


class BookingOfMeeting(GuanjiaError):
    """`data.meeting`."""

    code = "BOOKING_OF_MEETING"
    status = 409
    message_zh = "这是会议的一部分，请在会议里修改"
    message_en = "This belongs to a meeting; change it there"


class NotEnoughRooms(GuanjiaError):
    """`data.free`: how many there are."""

    code = "NOT_ENOUGH_ROOMS"
    status = 409
    message_zh = "这种房型只剩 {free} 间"
    message_en = "Only {free} rooms of this type are free then"


class NoCar(GuanjiaError):
    code = "NO_CAR"
    status = 409
    message_zh = "这段时间没有合适的空闲车辆"
    message_en = "No suitable car is free then"


class GuestHasArrived(GuanjiaError):
    code = "GUEST_HAS_ARRIVED"
    status = 409
    message_zh = "已签到的来宾不能移出名单"
    message_en = "Who has arrived stays on the list"


class GuestsHaveBadCells(Malformed):
    """`data.bad_cells`: row, column, cell, value, reason_zh, reason_en."""

    code = "GUESTS_HAVE_BAD_CELLS"
    message_zh = "名单中有填写错误的单元格，没有导入"
    message_en = "Some cells of the list are wrong; nothing was taken"
