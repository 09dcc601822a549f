"""What the register of assets may answer besides an asset.

GuanjiaError
    AssetCodeTaken      409   another asset has this code
    AssetRetired        409   it is out of use
"""

from kernel.errors import GuanjiaError


class AssetCodeTaken(GuanjiaError):
    code = "ASSET_CODE_TAKEN"
    status = 409
    message_zh = "资产编号已被使用"
    message_en = "Another asset has this code"


class AssetRetired(GuanjiaError):
    code = "ASSET_RETIRED"
    status = 409
    message_zh = "资产已停用"
    message_en = "This asset is out of use"
