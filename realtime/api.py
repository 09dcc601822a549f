"""The front door of real time: what its neighbours may call.

To tell somebody of a fact, publish an event (`kernel.outbox.publish`); its `audience()` names the channels. To keep a
figure on a screen up to date, call `publish_board` in a handler of the worker. Who may hear a kind of channel is a
`ChannelPolicy` of the domain that owns the word, registered in app/wiring.py; `region_policy` makes that of a region,
and `region_desk` a service's part of the desks (`desk:<service>-<reg_...>`), which `desk_policy` gathers there.

A snapshot that is to be carried on by events reads `channel_position` first and its data afterwards; the client
subscribes with `after` that position. What the data already holds may then come again, and is known by its ids.
"""

from typing import Final

from realtime.boards import Boards
from realtime.channels import Caller, ChannelPolicy, DeskService, desk_policy, region_desk, region_policy
from realtime.hub import Hub, HubLimits
from realtime.queries import channel_position, deliveries_of, relay_lag_s

# Of this process: the worker's loop sends them.
boards: Final = Boards()
publish_board = boards.publish_board

__all__ = [
    "Caller",
    "ChannelPolicy",
    "DeskService",
    "Hub",
    "HubLimits",
    "boards",
    "channel_position",
    "deliveries_of",
    "desk_policy",
    "publish_board",
    "region_desk",
    "region_policy",
    "relay_lag_s",
]
