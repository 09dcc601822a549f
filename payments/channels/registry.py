"""Which gateways this installation has: from its settings, by name."""

from collections.abc import Mapping

from kernel.settings import Settings
from payments.channels.alipay import AlipayAccount, AlipayCertificates, AlipayChannel
from payments.channels.channel import Channel


def open_channels(settings: Settings) -> Mapping[str, Channel]:
    """Those whose keys are set; a channel that is not set up is simply not there."""
    account = alipay_account(settings)
    return {AlipayChannel.name: AlipayChannel(account)} if account is not None else {}


def alipay_account(settings: Settings) -> AlipayAccount | None:
    """The account at Alipay, where one is set."""
    key = settings.alipay_app_private_key
    certificates = alipay_certificates(settings)
    is_theirs_known = bool(settings.alipay_public_key) or certificates is not None
    if not settings.alipay_app_id or key is None or not key.get_secret_value() or not is_theirs_known:
        return None
    notify_url = settings.alipay_notify_url
    if not notify_url and settings.public_url:
        notify_url = f"{settings.public_url.rstrip('/')}/v1/notify/alipay"
    return AlipayAccount(
        app_id=settings.alipay_app_id,
        app_private_key=key.get_secret_value(),
        alipay_public_key=settings.alipay_public_key or "",
        certificates=certificates,
        sends_money=certificates is not None or bool(settings.alipay_simulator_url),
        gateway=settings.alipay_gateway,
        notify_url=notify_url,
        seller_id=settings.alipay_seller_id or None,
    )


def alipay_certificates(settings: Settings) -> AlipayCertificates | None:
    """All three, or none: one alone signs nothing."""
    app, alipay, root = settings.alipay_app_cert, settings.alipay_cert, settings.alipay_root_cert
    return AlipayCertificates(app, alipay, root) if app and alipay and root else None
