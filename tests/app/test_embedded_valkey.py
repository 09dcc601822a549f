"""The embedded Valkey: private, keeps nothing, keeps its address."""

from pathlib import Path

import pytest
import redis

from app.embedded.valkey import EmbeddedValkey


def test_nobody_comes_in_without_the_password(own_valkey: EmbeddedValkey) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=own_valkey.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_it_keeps_its_address_but_nothing_else(own_valkey: EmbeddedValkey) -> None:
    url = own_valkey.url
    with redis.Redis.from_url(url) as client:
        client.set("dish", "面")

    own_valkey.kill()
    own_valkey.start()

    assert own_valkey.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("dish") is None


def test_a_running_one_can_be_found_by_its_folder(own_valkey: EmbeddedValkey, tmp_path: Path) -> None:
    found, missing = EmbeddedValkey(own_valkey.folder.parent), EmbeddedValkey(tmp_path / "elsewhere")

    assert found.attach() is True
    assert found.url == own_valkey.url
    assert missing.attach() is False
