"""How a child tells the supervisor that it is up: one line on an inherited pipe."""

import os

READY_FD_VARIABLE = "GUANJIA_READY_FD"


def tell_ready() -> None:
    """Say once that this process is up. Without a supervisor there is nobody to tell."""
    descriptor = os.environ.pop(READY_FD_VARIABLE, None)
    if descriptor is None:
        return
    try:
        os.write(int(descriptor), b"ready\n")
        os.close(int(descriptor))
    except OSError:
        return  # The supervisor has gone; we are about to be told so by a signal.
