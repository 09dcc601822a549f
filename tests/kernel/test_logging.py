"""What stands in a log line, and what must never."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from kernel.logging import configure_logging


@pytest.fixture(autouse=True)
def _put_logging_back() -> Iterator[None]:
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)


def fail_with(password: str) -> None:
    raise RuntimeError(f"could not connect after {len(password)} tries")


@pytest.mark.parametrize("as_json", [False, True])
class TestALine:
    def test_of_a_failure_tells_where_it_was_and_not_what_the_names_held(
        self, capsys: pytest.CaptureFixture[str], *, as_json: bool
    ) -> None:
        configure_logging(process="web", as_json=as_json)
        # Put together here, because the source of each line stands in a traceback.
        password = f"open-{os.getpid()}"
        try:
            fail_with(password)
        except RuntimeError:
            structlog.get_logger("tests").exception("lost")

        written = capsys.readouterr().out
        assert f"could not connect after {len(password)} tries" in written
        assert "in fail_with" in written
        assert password not in written

    def test_hides_what_is_named_a_secret(self, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
        configure_logging(process="web", as_json=as_json)
        structlog.get_logger("tests").info("signed in", token="gjs_abc")

        written = capsys.readouterr().out
        assert "signed in" in written
        assert "gjs_abc" not in written
