"""Files by HTTP: who may send, how they come, and that only those may look who may."""

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image

from kernel.settings import get_settings
from tests.identity.conftest import House, bearer


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)


def photo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "#3F8273").save(buffer, "PNG")
    return buffer.getvalue()


def left_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_a_photo_comes_in_as_such_or_in_a_form_and_goes_out_to_its_sender(
    api: httpx.AsyncClient, house: House
) -> None:
    me, other = [bearer(await house.token(await house.person(name))) for name in ("张三", "李四")]
    plain = await api.post("/v1/files", content=photo(), headers=me)
    form = await api.post("/v1/files", files={"file": ("IMG_1.png", photo(), "image/png")}, headers=me)
    assert (plain.status_code, form.status_code) == (201, 201)
    assert plain.json()["id"].startswith("file_")
    assert (form.json()["kind"], form.json()["width"]) == ("picture", 64)

    bytes_of = await api.get(f"/v1/files/{plain.json()['id']}", headers=me)
    assert (bytes_of.status_code, bytes_of.headers["content-type"], bytes_of.content[:2]) == (
        200,
        "image/jpeg",
        b"\xff\xd8",
    )
    assert bytes_of.headers["x-content-type-options"] == "nosniff"
    assert (await api.get(f"/v1/files/{plain.json()['id']}", headers=other)).status_code == 403
    assert (await api.get(f"/v1/files/file_{'0' * 32}", headers=me)).status_code == 404


async def test_strangers_send_nothing(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/files", content=photo())).status_code == 401


async def test_a_named_length_of_a_hundred_megabytes_is_refused_unread(
    api: httpx.AsyncClient, house: House, tmp_path: Path
) -> None:
    me = bearer(await house.token(await house.person("张三")))
    answer = await api.post("/v1/files", content=b"x", headers={**me, "Content-Length": str(100 * 1024 * 1024)})
    assert (answer.status_code, answer.json()["code"]) == (413, "FILE_TOO_LARGE")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.png", "..\\x.png"])
async def test_a_path_in_the_name_is_refused(api: httpx.AsyncClient, house: House, tmp_path: Path, name: str) -> None:
    me = bearer(await house.token(await house.person("张三")))
    answer = await api.post("/v1/files", files={"file": (name, photo(), "image/png")}, headers=me)
    assert (answer.status_code, answer.json()["code"]) == (422, "FILE_NAME_HAS_PATH")
    assert left_in(tmp_path) == []


async def test_a_form_without_a_file_is_told(api: httpx.AsyncClient, house: House) -> None:
    me = bearer(await house.token(await house.person("张三")))
    for sent in (
        {"files": {"other": ("a.png", photo(), "image/png")}},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    ):
        answer = await api.post("/v1/files", **{**sent, "headers": {**sent.get("headers", {}), **me}})  # type: ignore[arg-type, dict-item]  # two shapes of one call
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")
