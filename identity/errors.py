"""What identity refuses.

Unauthenticated             401
    WrongCredentials        401     name and password do not belong together
    WrongSecondFactor       401     not a code of this moment, or one that was used
    SignInGone              401     a sign-in that was left half done for too long
Forbidden                   403
    SamePerson              403     nobody decides on their own request, or in their own favour
    TerminalDisabled        403     a known till that was put out of service
    AdministratorsApart     403     an administrator holds nothing but one administrator's role
    SlipFromAnother         403     this person's activation slip is another administrator's to give out
    CampusUnknown           403     the campus's sign-in names nobody who is known here
    CampusNeedsSecondFactor 403     an administrator without a second factor signs in by password
NotFound                    404
    PairingCodeUnknown      404     mistyped, used or older than 15 minutes
    ActivationUnknown       404     a slip that is mistyped, used, replaced or too old
    PlaceLabelUnknown       404     no label of ours
AlreadyExists               409     a code, number or name that must be unique is taken
MembershipOverlaps          409     somebody already belongs somewhere on one of these days
NotATree                    409     a place would become its own ancestor
PlaceLabelEnded             409     a label that was replaced, or whose place is out of use
PlaceRetired                409     nothing is opened below a place that is out of use
TooManyRequests             429
    SignInLocked            429     too many wrong passwords; it unlocks by itself
CampusFailed                502     the campus's sign-in did not answer as it should
PasswordTooWeak             422
ImportHasBadCells           422     the list names each; nothing was imported
"""

from kernel.errors import Forbidden, GuanjiaError, Malformed, NotFound, TooManyRequests, Unauthenticated


class WrongCredentials(Unauthenticated):
    code = "WRONG_CREDENTIALS"
    message_zh = "用户名或密码不正确"
    message_en = "Name and password do not belong together"


class WrongSecondFactor(Unauthenticated):
    code = "WRONG_SECOND_FACTOR"
    message_zh = "动态口令不正确或已使用过，请等下一个口令"
    message_en = "This code is wrong or was used; wait for the next one"


class SignInGone(Unauthenticated):
    code = "SIGN_IN_GONE"
    message_zh = "登录已过期，请重新登录"
    message_en = "This sign-in has waited too long; please begin again"


class SignInLocked(TooManyRequests):
    """`data.retry_after_s` says for how long."""

    code = "SIGN_IN_LOCKED"
    message_zh = "密码输错次数过多，请 {retry_after_s} 秒后再试"
    message_en = "Too many wrong passwords; try again in {retry_after_s} seconds"


class SamePerson(Forbidden):
    code = "SAME_PERSON"
    message_zh = "须由另一位有权限的人审批"
    message_en = "Somebody else has to decide on this"


class TerminalDisabled(Forbidden):
    code = "TERMINAL_DISABLED"
    message_zh = "本机已停用，请联系管理员"
    message_en = "This till was put out of service; please call an administrator"


class AdministratorsApart(Forbidden):
    """`data.held`: the roles that stand in the way."""

    code = "ADMINISTRATORS_APART"
    message_zh = "系统、安全、审计三类管理员不得互兼，也不得兼任业务角色"
    message_en = "An administrator holds one administrator's role and nothing else"


class SlipFromAnother(Forbidden):
    """`data.role`: who gives out this person's slip."""

    code = "SLIP_FROM_ANOTHER"
    message_zh = "此人的激活单须由另一类管理员发放"
    message_en = "This person's slip is another administrator's to give out"


class CampusUnknown(Forbidden):
    code = "CAMPUS_UNKNOWN"
    message_zh = "统一身份认证成功，但此账号在这里没有对应的人员，请联系管理员"
    message_en = "The campus knows you, but nobody here has this account; please ask an administrator"


class CampusNeedsSecondFactor(Forbidden):
    code = "CAMPUS_NEEDS_SECOND_FACTOR"
    message_zh = "管理员须先用密码登录并设置动态口令，才能使用统一身份认证"
    message_en = "An administrator signs in by password and sets up a second factor first"


class CampusFailed(GuanjiaError):
    code = "CAMPUS_FAILED"
    status = 502
    message_zh = "统一身份认证暂时无法使用，请用密码登录或稍后再试"
    message_en = "The campus's sign-in does not work at the moment; use your password, or try again later"


class ActivationUnknown(NotFound):
    code = "ACTIVATION_UNKNOWN"
    message_zh = "激活码不正确、已使用或已过期"
    message_en = "This activation code is wrong, used or too old"


class PairingCodeUnknown(NotFound):
    code = "PAIRING_CODE_UNKNOWN"
    message_zh = "配对码不正确或已过期"
    message_en = "This pairing code is wrong, used or too old"


class PlaceLabelUnknown(NotFound):
    code = "PLACE_LABEL_UNKNOWN"
    message_zh = "这不是本系统的位置码"
    message_en = "This is no place code of ours"


class PlaceLabelEnded(GuanjiaError):
    code = "PLACE_LABEL_ENDED"
    status = 409
    message_zh = "这张位置码已停用，请选择位置"
    message_en = "This place code is out of use; please choose the place"


class PlaceRetired(GuanjiaError):
    code = "PLACE_RETIRED"
    status = 409
    message_zh = "这个位置或它的上级已停用"
    message_en = "This place, or the one above it, is out of use"


class AlreadyExists(GuanjiaError):
    """`data`: field, value."""

    code = "ALREADY_EXISTS"
    status = 409
    message_zh = "{value} 已被使用"
    message_en = "{value} is taken"


class MembershipOverlaps(GuanjiaError):
    code = "MEMBERSHIP_OVERLAPS"
    status = 409
    message_zh = "此人在这段日期内已有所属单位"
    message_en = "This person already belongs somewhere on one of these days"


class NotATree(GuanjiaError):
    code = "NOT_A_TREE"
    status = 409
    message_zh = "上级不能是自己或自己的下级"
    message_en = "A place cannot stand below itself"


class AdministratorsExist(GuanjiaError):
    """`data`: role."""

    code = "ADMINISTRATORS_EXIST"
    status = 409
    message_zh = "首任管理员已设立，其他管理员须由其授权"
    message_en = "The first administrators exist; they grant the role to others"


class LastAdministrator(GuanjiaError):
    code = "LAST_ADMINISTRATOR"
    status = 409
    message_zh = "须至少保留一名安全管理员"
    message_en = "At least one security administrator has to stay"


class PasswordTooWeak(Malformed):
    code = "PASSWORD_TOO_WEAK"
    message_zh = "密码须为 10 至 200 个字符，且不能与用户名相同"
    message_en = "A password has 10 to 200 characters and is not the user name"


class ImportHasBadCells(Malformed):
    """`data.bad_cells`: row, column, value, reason_zh, reason_en."""

    code = "IMPORT_HAS_BAD_CELLS"
    message_zh = "表格中有错误，未导入任何数据"
    message_en = "The table has mistakes; nothing was imported"
