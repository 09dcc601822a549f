"""`./guanjia` beside the running product: each command has its help, a payment is told, the books are right."""

import os
import re
import subprocess

import pytest

from tests.product import ROOT, Product, fresh_amount_fen

COMMANDS = (
    "run",
    "web",
    "worker",
    "migrate",
    "health",
    "demo",
    "audit",
    "explain",
    "bench",
    "import",
    "administrators",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own_wherever_one_stands(command: str) -> None:
    said = subprocess.run([ROOT / "guanjia", command, "--help"], cwd="/", capture_output=True, text=True, check=True)

    assert f"guanjia {command}" in said.stdout
    assert len(said.stdout.splitlines()) > 5


def test_the_help_names_every_command() -> None:
    said = subprocess.run([ROOT / "guanjia", "--help"], cwd="/", capture_output=True, text=True, check=True).stdout

    assert [command for command in COMMANDS if not re.search(rf"│ {command} ", said)] == []


def test_a_payment_is_told_in_plain_words(product: Product) -> None:
    till, diner = product.new_till(), product.diner(12)
    paid = till.pay({"code": diner.code()["code"], "amount_fen": 1357}).json()
    said = product.command("explain", paid["id"])

    assert "13.57" in said
    assert paid["id"] in said


def test_of_a_payment_that_never_was_nothing_is_told_and_no_traceback(product: Product) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        product.command("explain", "pay_" + "0" * 32)

    assert "Traceback" not in failed.value.stderr + failed.value.stdout


def test_the_books_are_right_whatever_was_tried(product: Product) -> None:
    """Also while other tests are paying: the audit reads one moment."""
    till, diner = product.new_till(), product.diner(12)
    for _ in range(3):
        assert till.pay({"code": diner.code()["code"], "amount_fen": fresh_amount_fen()}).status_code == 201

    assert "All invariants hold" in product.command("audit")


def test_a_folder_without_a_demo_is_told_how_to_get_one(tmp_path: os.PathLike[str]) -> None:
    environment = os.environ | {"GUANJIA_DATA_DIR": str(tmp_path)}
    said = subprocess.run(
        [ROOT / "guanjia", "demo", "--json"], env=environment, capture_output=True, text=True, check=False
    )

    assert said.returncode == 1
    assert said.stdout == ""
    assert "make run" in said.stderr
