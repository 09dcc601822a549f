"""Told in real time: outbox -> relay -> Valkey -> hub in each web process -> the socket at /v1/realtime.

Owns: positions in channels, the sockets, boards. Invariants: within a channel positions grow by one, without gap or
repeat; an event that was committed is heard by whoever may hear it, sooner or later; nobody hears what they may not;
one slow reader costs the others nothing. Neighbours: identity (who is calling), the kernel's outbox (what happened).
Begin with `relay.py` (how an event gets its position), then `hub.py` (how it gets to a socket), `api.py` for the rest;
`client.py` is the other end of the line.

What is kept in Valkey, and how each is rebuilt. Nothing in it is the truth, and payments never touch it.

| what | key | rebuilt |
|---|---|---|
| frames on their way | publish on `rt:<channel>`, not kept | every hub polls `channel_heads` and fills what it lacks from `channel_events` |
| the last frame of each board | hash `rt:board:<channel>`, field = type | the next change publishes it again; until then the board is stale |
| a desk's waiting queue | sorted set `rt:{calls}:waiting:<reg>`, score = rank | `realtime/calls/desk.py`, twice a second, from `calls` |
| leases of pages at a desk | sorted set `rt:{calls}:present:<reg>`, score = until | the same, from `desk_presences` |
| presses within a minute | sorted set `rt:{calls}:presses:<caller>`, score = when | the same, from `call_steps` |
| the last rings of a desk | stream `rt:{calls}:rings:<reg>`, at most 200 | the same, from `call_rings` |
| a desk's figures | board `desk.board` on `desk:calls-<reg>` | published again when `rt:{calls}:mark` is gone |
"""
