"""The data folder: who may use it now."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.problems import StartFailed


@contextmanager
def only_user_of(data_dir: Path) -> Iterator[None]:
    """Two supervisors on one data folder would fight over its servers; a restore would pull the floor away from one."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "supervisor.lock").open("w")
    except OSError as error:
        raise StartFailed(f"The data folder {data_dir} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(
                f"Another copy of Guanjia is running on {data_dir}. "
                "Stop it, or set GUANJIA_DATA_DIR and GUANJIA_PORT for this one."
            ) from None
        yield
