"""A Valkey cluster of three nodes, and a primary with a Sentinel, from the same binary as the embedded server's."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis

from app.embedded.child import end, remembered_port, spawn
from app.embedded.valkey import valkey_binary

_SLOTS = 16_384
_READY_WITHIN_S = 30


@dataclass
class Node:
    """One server of these tests."""

    port: int
    process: "subprocess.Popen[bytes]"
    bus_port: int = 0

    def ask(self, *command: str | int) -> object:
        """One command, by a connection of its own."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()


@dataclass
class Cluster:
    """Three primaries, each with a third of the slots."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def node_at(self, port: int) -> Node:
        return next(node for node in self.nodes if node.port == port)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Three nodes that know each other, ended afterwards."""
    nodes: list[Node] = []
    try:
        for number in range(3):
            options = [
                "--cluster-enabled",
                "yes",
                "--cluster-require-full-coverage",
                "no",
                "--cluster-node-timeout",
                "2000",
            ]
            nodes.append(_node(folder / f"node-{number}", options, own_bus_port=True))
        _join(nodes)
        yield Cluster(nodes)
    finally:
        _end_all(nodes)


def _join(nodes: Sequence[Node]) -> None:
    share = _SLOTS // len(nodes) + 1
    for number, node in enumerate(nodes):
        node.ask("CLUSTER", "ADDSLOTSRANGE", number * share, min(_SLOTS, (number + 1) * share) - 1)
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)
    for node in nodes:
        _wait_until(partial(_knows_all, node, len(nodes)))


def _knows_all(node: Node, count: int) -> bool:
    info = str(node.ask("CLUSTER", "INFO"))
    wanted = ("cluster_state:ok", f"cluster_known_nodes:{count}", f"cluster_slots_assigned:{_SLOTS}")
    return all(line in info for line in wanted)


@contextmanager
def watched_primary(folder: Path, name: str) -> Iterator[tuple[str, Node]]:
    """A server, and a Sentinel that calls it by a name. Yields the address of the Sentinel and the server."""
    nodes: list[Node] = []
    try:
        primary = _node(folder / "primary", [])
        nodes.append(primary)
        config = folder / "sentinel.conf"
        config.write_text(f"sentinel monitor {name} 127.0.0.1 {primary.port} 1\n")
        sentinel = _node(folder / "sentinel", ["--sentinel"], config=config)
        nodes.append(sentinel)
        yield f"redis+sentinel://127.0.0.1:{sentinel.port}/{name}", primary
    finally:
        _end_all(nodes)


def _node(folder: Path, options: list[str], *, config: Path | None = None, own_bus_port: bool = False) -> Node:
    folder.mkdir(parents=True)
    port = remembered_port(folder / "port")
    program = [str(valkey_binary()), *([str(config)] if config is not None else [])]
    program += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    if config is None:
        program += ["--save", ""]
    bus_port = remembered_port(folder / "bus-port") if own_bus_port else 0
    if own_bus_port:
        program += ["--cluster-port", str(bus_port)]
    with (folder / "log").open("wb") as log:
        node = Node(port, spawn([*program, *options], death_signal=signal.SIGTERM, log=log), bus_port)
    try:
        _wait_until(partial(_answers, node))
    except BaseException:
        _end_all([node])
        raise
    return node


def _answers(node: Node) -> bool:
    try:
        return node.ask("PING") in {"PONG", True}
    except redis.RedisError:
        return False


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the servers did not come up")
        time.sleep(0.05)


def _end_all(nodes: Sequence[Node]) -> None:
    for node in nodes:
        end(node.process, signal.SIGTERM, 5)
