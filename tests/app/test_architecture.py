"""Rules of the house that no linter knows: read from the code's own syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = ("identity", "payments", "canteen", "repairs", "booking", "realtime")
FRONT_DOORS = {"api", "events", "errors"}

# The only two files that end a transaction.
COMMITTERS = {"kernel/db.py", "payments/posting.py"}


def sources(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """(path, syntax tree) of every module of ours."""
    for package in packages:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"), str(file))


def called_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(name, line) of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield name, node.lineno


def money_in_floats(tree: ast.AST) -> Iterator[int]:
    """Lines where something named `..._fen` meets a float: a float literal, float(), or a true division."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            sides = list(ast.walk(node.left)) + list(ast.walk(node.right))
            if any(_is_money(side) for side in sides) and (
                isinstance(node.op, ast.Div) or any(_is_float(side) for side in (node.left, node.right))
            ):
                yield node.lineno
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"float", "round"}:
            yield from (node.lineno for argument in node.args for part in ast.walk(argument) if _is_money(part))
        if isinstance(node, ast.AnnAssign | ast.arg) and _is_money_name(_name_of(node)):
            yield from [node.lineno] if node.annotation and "float" in ast.unparse(node.annotation) else []
        if (
            isinstance(node, ast.Assign | ast.keyword | ast.AnnAssign)
            and node.value is not None
            and _is_float(node.value)
        ):
            names = [_name_of(target) for target in node.targets] if isinstance(node, ast.Assign) else [_name_of(node)]
            if any(_is_money_name(name) for name in names):
                yield node.value.lineno


def _name_of(node: ast.AST) -> str:
    for attribute in ("id", "attr", "arg"):
        if isinstance(found := getattr(node, attribute, None), str):
            return found
    target = getattr(node, "target", None)
    return _name_of(target) if target is not None else ""


def _is_money_name(name: str) -> bool:
    return name == "fen" or name.endswith("_fen")


def _is_money(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and _is_money_name(_name_of(node))


def _is_float(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


class TestTransactions:
    def test_only_two_files_commit(self) -> None:
        committers = {
            path
            for path, tree in sources("app", "kernel", *DOMAINS)
            for name, _ in called_names(tree)
            if name == "commit"
        }
        written_as_sql = {
            path
            for path, tree in sources("app", "kernel", *DOMAINS)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            # In small letters, `end` is a word like any other.
            and (node.value.strip().upper() == "COMMIT" or node.value.strip() == "END")
        }

        assert committers | written_as_sql <= COMMITTERS
        assert "kernel/db.py" in committers  # Else this test looks in the wrong place.


class TestMoney:
    def test_no_float_touches_money(self) -> None:
        found = [
            f"{path}:{line}" for path, tree in sources("app", "kernel", *DOMAINS) for line in money_in_floats(tree)
        ]

        assert found == []

    @pytest.mark.parametrize(
        "sin",
        [
            "share = amount_fen / 2",
            "amount_fen = 1.5",
            "x = float(row.amount_fen)",
            "x = round(total_fen)",
            "def pay(amount_fen: float): ...",
            "pay(amount_fen=2.5)",
            "x = 0.7 * order.total_fen",
            "price_fen: float = 3",
        ],
    )
    def test_that_test_sees_each_kind_of_sin(self, sin: str) -> None:
        assert list(money_in_floats(ast.parse(sin)))

    @pytest.mark.parametrize(
        "fine", ["x = amount_fen // 2", "x = amount_fen * 2", "def pay(amount_fen: int): ...", "t = 1.5"]
    )
    def test_and_lets_honest_arithmetic_pass(self, fine: str) -> None:
        assert list(money_in_floats(ast.parse(fine))) == []


class TestNeighbours:
    def test_a_domain_is_entered_by_its_front_door(self) -> None:
        """Only `<domain>.api`, `.events` and `.errors` are for others, and those of a part that has its own, such as
        `realtime.duty.api`; app alone may assemble the rest."""
        entered = [
            f"{path}:{line} imports {module}"
            for path, tree in sources(*DOMAINS, "kernel")
            for module, line in imported_modules(tree)
            if (domain := module.partition(".")[0]) in DOMAINS
            and domain != path.partition("/")[0]
            and module.split(".")[1:2] != []
            and not FRONT_DOORS & set(module.split(".")[1:3])
        ]

        assert entered == []

    def test_a_payment_sdk_stays_under_channels(self) -> None:
        sdks = {"alipay", "wechatpayv3", "stripe"}
        outside = [
            path
            for path, tree in sources("app", "kernel", *DOMAINS)
            for module, _ in imported_modules(tree)
            if module.partition(".")[0] in sdks and not path.startswith("payments/channels/")
        ]

        assert outside == []


def imported_modules(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(module, line); `from a import b` counts as `a.b` where `a` is a domain itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module in DOMAINS:
                for name in node.names:
                    yield f"{node.module}.{name.name}", node.lineno
            else:
                yield node.module, node.lineno
