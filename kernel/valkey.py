"""Valkey: how the one setting GUANJIA_REDIS_URL becomes a client, for one server, a cluster, or Sentinels.

    redis://:password@host:6379/0                               one server (rediss:// with TLS)
    redis+cluster://:password@host-1:6379,host-2:6379           a cluster: any of its nodes, the others are found
    redis+sentinel://:password@host-1:26379,host-2:26379/name   the primary that the Sentinels call by that name

All three answer the same calls. In a cluster a MULTI must keep to keys with the same `{tag}`.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

CLUSTER: Final = "redis+cluster"
SENTINEL: Final = "redis+sentinel"
_PORTS: Final = {CLUSTER: 6379, SENTINEL: 26379}
# Valkey is never the truth: whoever asks it would rather go on without than wait.
_OPTIONS: Final[dict[str, Any]] = {"socket_connect_timeout": 2, "socket_timeout": 5, "health_check_interval": 15}


def open_valkey(url: str, **options: Any) -> Redis:
    """A client; the connection is made when it is first used. ValueError where the address cannot be understood."""
    parts = urlsplit(url)
    options = {**_OPTIONS, **options}
    if parts.scheme == CLUSTER:
        nodes = [ClusterNode(host, port) for host, port in _hosts(parts)]
        # Not a subclass of Redis, but all that we call of one it has too.
        return cast("Redis", RedisCluster(startup_nodes=nodes, **_who(parts), **options))
    if parts.scheme == SENTINEL:
        name, _, database = parts.path.strip("/").partition("/")
        if not name:
            raise ValueError("a redis+sentinel:// address ends with the primary's name")
        sentinel = Sentinel(_hosts(parts), sentinel_kwargs=_OPTIONS)  # type: ignore[no-untyped-call]  # the library's
        options |= {"db": int(database or 0), **_who(parts)}
        return cast("Redis", sentinel.master_for(name, **options))
    return Redis.from_url(url, **options)


async def close_valkey(client: Redis) -> None:
    """Give back all its connections, those to Sentinels too, which the client itself would leave open."""
    pool = getattr(client, "connection_pool", None)  # A cluster has none of its own.
    sentinels = pool.sentinel_manager.sentinels if isinstance(pool, SentinelConnectionPool) else []
    await client.aclose()
    for sentinel in sentinels:
        await sentinel.aclose()


async def publish_many(client: Redis | RedisCluster, messages: Sequence[tuple[str, bytes]]) -> None:
    """Publish to several channels in one breath; RedisError or OSError when it may not have been heard.

    In a cluster everything goes through one node, which tells the others: so a channel's messages stay in order, and a
    hub needs to listen to one node only. When that one does not answer, the next attempt takes another.
    """
    if not isinstance(client, RedisCluster):
        pipeline = client.pipeline(transaction=False)
        for channel, message in messages:
            pipeline.publish(channel, message)
        await pipeline.execute()
        return
    await client.initialize()
    node = client.get_default_node()
    try:
        await asyncio.gather(*(node.execute_command("PUBLISH", channel, message) for channel, message in messages))
    except (RedisError, OSError, asyncio.CancelledError):
        others = [other for other in client.get_primaries() if other.name != node.name]
        if others:
            client.set_default_node(random.choice(others))  # noqa: S311  any will do
        raise


def _hosts(parts: SplitResult) -> list[tuple[str, int]]:
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if not all(hosts):
        raise ValueError(f"{parts.scheme}:// is followed by hosts, with commas between")
    found = [urlsplit(f"//{host}") for host in hosts]
    return [(host.hostname or "", host.port or _PORTS[parts.scheme]) for host in found]


def _who(parts: SplitResult) -> dict[str, Any]:
    name, _, password = parts.netloc.rpartition("@")[0].partition(":")
    who = {"username": unquote(name), "password": unquote(password)}
    return {key: value for key, value in who.items() if value}
