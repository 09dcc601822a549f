"""Alipay sends money out only for apps that sign by certificate: the same channel, with other papers."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from app.simulators.alipay.keys import APP_ID, Keys
from app.simulators.alipay.server import AlipaySimulator
from kernel.settings import Settings
from payments.channels.channel import Word
from payments.channels.registry import alipay_account, open_channels
from tests.payments.channels.shop import served


def certificate(key: RSAPrivateKey, name: str) -> str:
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(20261123)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def settings_of(keys: Keys, gateway: str, **more: str | None) -> Settings:
    papers = {
        "alipay_app_cert": certificate(keys.app, "our app"),
        "alipay_cert": certificate(keys.alipay, "alipay"),
        "alipay_root_cert": certificate(keys.alipay, "root"),
    }
    return Settings(
        alipay_app_id=APP_ID,
        alipay_app_private_key=SecretStr(keys.app_private_pem),
        alipay_gateway=f"{gateway}/gateway.do",
        **(papers | more),  # type: ignore[arg-type]  # texts, or none
    )


async def test_a_transfer_signed_by_certificates_is_made_and_asked_about(keys: Keys) -> None:
    simulators: list[AlipaySimulator] = []

    def make(url: str) -> object:
        simulators.append(AlipaySimulator(keys, url))
        return simulators[0].app

    async with served(make) as gateway:
        channel = open_channels(settings_of(keys, gateway))["alipay"]
        sent = await channel.transfer("wdr_1", 1234, "wang@example.com", "王小明", "一卡通余额退还")
        asked = await channel.ask_transfer("wdr_1")
        channel.close_client()
    assert (sent.word, asked.word, asked.amount_fen) == (Word.PAY, Word.PAY, 1234)
    assert simulators[0].gateway.transfers.sent_fen == 1234


def test_one_paper_alone_is_none(keys: Keys) -> None:
    assert alipay_account(settings_of(keys, "http://127.0.0.1:1", alipay_root_cert=None)) is None


def test_bare_keys_take_money_and_send_none(keys: Keys) -> None:
    bare = settings_of(keys, "http://127.0.0.1:1", alipay_root_cert=None, alipay_public_key=keys.alipay_public_pem)
    assert not open_channels(bare)["alipay"].sends_money
    assert open_channels(settings_of(keys, "http://127.0.0.1:1"))["alipay"].sends_money
