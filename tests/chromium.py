"""Finds the system's Chromium for the browser tests, and installs Debian's where that is possible without asking anybody."""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of a system Chromium, or None. CHROMIUM names one that is elsewhere."""
    named = os.environ.get("CHROMIUM")
    if named and os.access(named, os.X_OK):
        return named
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install_chromium() -> bool:
    """With apt-get, where we are root; a browser is not worth asking for a password."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("· Installing Debian's chromium for the browser tests (about a minute) ...", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    update = subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
    return update.returncode == 0 and subprocess.run(install, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    if find_chromium() is None and not install_chromium():
        print("· There is no Chromium here: the browser tests will be skipped, by name. (apt-get install chromium)")
