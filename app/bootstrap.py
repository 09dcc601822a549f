"""Makes .venv with exactly the locked packages. Run by make with whatever `python3` the machine has.

Where a folder wheels/ stands beside it, as in the archive of `make bundle`, everything comes from there and no network is asked.

Standard library only, and no syntax younger than Python 3.6, so that an old interpreter gets as far as a clear sentence.

    python3 app/bootstrap.py run    what the product needs
    python3 app/bootstrap.py dev    that, and what its tests and checks need
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Dict, Iterator, List, NoReturn, Optional

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
UV = os.path.join(VENV, "bin", "uv")
STAMP = os.path.join(VENV, "guanjia-packages")
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
WHEELS = os.path.join(ROOT, "wheels")
# Wheels are made for one version of Python; this file among them says for which.
PYTHON_OF_WHEELS = "python-version"
# What must not stand beside the others, because it has the import name of one of them; for tests only.
JUDGE_LOCK = "requirements-judge.lock"
JUDGE = os.path.join(VENV, "judge")
OLDEST_PYTHON = (3, 11)


def say(sentence: str) -> None:
    print("· " + sentence, flush=True)


def give_up(sentence: str) -> NoReturn:
    sys.exit("\n" + sentence + "\n")


def main(kind: str) -> None:
    locks_hash = hash_of_locks()
    if installed_kind(locks_hash) in (kind, "dev"):
        return  # The packages for development include those for running.
    started = time.monotonic()
    make_venv()
    install_uv()
    install_packages(LOCKS[kind])
    if kind == "dev":
        install_judge()
    with open(STAMP, "w") as stamp:
        stamp.write(kind + " " + locks_hash + "\n")
    say("The Python packages are ready ({:.0f} s).".format(time.monotonic() - started))


def hash_of_locks() -> str:
    digest = hashlib.sha256()
    # An archive of `make bundle` has the first alone.
    for name in [name for name in [*sorted(LOCKS.values()), JUDGE_LOCK] if os.path.exists(os.path.join(ROOT, name))]:
        with open(os.path.join(ROOT, name), "rb") as lock:
            digest.update(lock.read())
    # A clone that was moved has a .venv whose scripts point to the old place.
    digest.update(VENV.encode())
    return digest.hexdigest()


def installed_kind(locks_hash: str) -> Optional[str]:
    try:
        with open(STAMP) as stamp:
            kind, found = stamp.read().split()
    except (OSError, ValueError):
        return None
    return kind if found == locks_hash and works(VENV_PYTHON) else None


def works(python: str) -> bool:
    check = "import sys; sys.exit(sys.version_info < {!r})".format(OLDEST_PYTHON)
    if python_of_wheels():
        check = "import sys; sys.exit('%d.%d' % sys.version_info[:2] != {!r})".format(python_of_wheels())
    try:
        return subprocess.call([python, "-c", check], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def python_of_wheels() -> Optional[str]:
    try:
        with open(os.path.join(WHEELS, PYTHON_OF_WHEELS)) as file:
            return file.read().strip()
    except OSError:
        return None


def find_python() -> str:
    names = [sys.executable, "python3.14", "python3.13", "python3.12", "python3.11"]
    for name in names:
        python = shutil.which(name)
        if python and works(python):
            return python
    found = ".".join(str(part) for part in sys.version_info[:3])
    if python_of_wheels():
        give_up(
            "This archive was made for Python {}; `python3` here is {}, and that one is not on the PATH.".format(
                python_of_wheels(), found
            )
        )
    give_up("Guanjia needs Python 3.11 or newer; `python3` here is {}, and no newer one is on the PATH.".format(found))


def make_venv() -> None:
    if works(VENV_PYTHON):
        return
    python = find_python()
    say("Making the Python environment in .venv ...")
    shutil.rmtree(VENV, ignore_errors=True)
    # Without pip, because Debian ships that part of Python apart; `install_uv` finds a way to it.
    if subprocess.call([python, "-m", "venv", "--without-pip", VENV]) != 0:
        give_up(
            "Python could not make a virtual environment in {}.\nOn Debian and Ubuntu: apt-get install python3-venv".format(
                VENV
            )
        )


def install_uv() -> None:
    """The installer itself comes from the lock too, hash-checked, by whichever pip can be had."""
    pinned = uv_in_lock()
    if uv_version() == pinned.split("==")[1].split()[0]:
        return
    if os.path.isdir(WHEELS):
        unpack_uv(pinned)
        return
    say("Fetching uv, which installs the rest ...")
    with tempfile.TemporaryDirectory() as folder:
        requirement = os.path.join(folder, "uv.txt")
        with open(requirement, "w") as file:
            file.write(pinned)
        arguments = ["install", "--quiet", "--require-hashes", "--no-deps", "-r", requirement]
        for pip in ways_to_pip():
            if subprocess.call(pip + arguments) == 0 and uv_version():
                return
    give_up(
        "uv could not be installed: there is no working pip, or the package registry cannot be reached.\n"
        "On Debian and Ubuntu: apt-get install python3-venv. Then run make again."
    )


def unpack_uv(pinned: str) -> None:
    """Out of its wheel by hand: a Python without pip is enough then."""
    wheel = next(os.path.join(WHEELS, name) for name in sorted(os.listdir(WHEELS)) if re.match(r"uv-\d", name))
    with open(wheel, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    if "sha256:" + digest not in pinned:
        give_up("{} is not the file that requirements.lock names.".format(wheel))
    with zipfile.ZipFile(wheel) as archive:
        program = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        with archive.open(program) as source, open(UV, "wb") as target:
            shutil.copyfileobj(source, target)
    os.chmod(UV, 0o755)


def uv_in_lock() -> str:
    with open(os.path.join(ROOT, LOCKS["run"])) as lock:
        found = re.search(r"^uv==.*(?:\n    --hash=.*)+", lock.read(), re.M)
    if not found:
        give_up("requirements.lock does not name uv; run `make lock`.")
    return found.group(0) + "\n"


def uv_version() -> Optional[str]:
    try:
        return subprocess.check_output([UV, "--version"], stderr=subprocess.DEVNULL).decode().split()[1]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def ways_to_pip() -> Iterator[List[str]]:
    """The machine's pip, told to work on .venv; else pip of .venv, made by Python's own ensurepip, which takes seconds."""
    python = find_python()
    if quietly([python, "-m", "pip", "--python", VENV_PYTHON, "--version"]):
        yield [python, "-m", "pip", "--python", VENV_PYTHON]
    if quietly([VENV_PYTHON, "-m", "ensurepip", "--default-pip"]):
        yield [VENV_PYTHON, "-m", "pip"]


def quietly(command: List[str]) -> bool:
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def install_packages(lock: str) -> None:
    say("Installing the Python packages of {} (a first time takes a minute or two) ...".format(lock))
    lock = os.path.join(ROOT, lock)
    environment = dict(os.environ, VIRTUAL_ENV=VENV, UV_LINK_MODE=os.environ.get("UV_LINK_MODE", "copy"))
    if os.path.isdir(WHEELS):
        here = ["--offline", "--no-index", "--no-cache", "--find-links", WHEELS]
        if subprocess.call([UV, "pip", "sync", "--require-hashes", *here, lock], env=environment) != 0:
            give_up("The packages in wheels/ could not be installed; the reason stands above.")
        return
    environment.update(uv_settings_from_pip())
    if subprocess.call([UV, "pip", "sync", "--require-hashes", lock], env=environment) == 0:
        return
    say("uv did not manage; trying with pip ...")
    for pip in ways_to_pip():
        if subprocess.call(pip + ["install", "--require-hashes", "-r", lock]) == 0:
            return
    give_up(
        "The Python packages could not be installed; the reason stands above. Running make again goes on from here."
    )


def install_judge() -> None:
    """Tens of thousands of small files: linked from uv's cache where that can be done, copied where not."""
    lock = os.path.join(ROOT, JUDGE_LOCK)
    environment = dict(os.environ, VIRTUAL_ENV=VENV, **uv_settings_from_pip())
    arguments = ["install", "--quiet", "--require-hashes", "--target", JUDGE, "-r", lock]
    if subprocess.call([UV, "pip", *arguments], env=environment) == 0:
        return
    for pip in ways_to_pip():
        if subprocess.call([*pip, *arguments]) == 0:
            return
    give_up("The packages of {} could not be installed; the reason stands above.".format(JUDGE_LOCK))


def uv_settings_from_pip() -> Dict[str, str]:
    """Who has told pip of a mirror or a certificate has told uv nothing; uv reads other names."""
    settings = {}
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    for pip in ways_to_pip():
        try:
            listed = subprocess.check_output(pip + ["config", "list"], stderr=subprocess.DEVNULL).decode()
        except (OSError, subprocess.CalledProcessError):
            continue
        for name, value in re.findall(r"^[^.\s]+\.([a-z-]+)='(.*)'$", listed, re.M):
            if name in names and names[name] not in os.environ:
                settings[names[name]] = value.replace("\\n", " ").strip()
        break
    return settings


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        give_up("Stopped. Running make again goes on from here.")
