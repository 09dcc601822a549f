"""Gateways of the demo and of the tests, which misbehave when they are told to. They never run in production mode.

Each is a process of its own and knows nothing of the product but its address: it speaks the gateway's real protocol,
so that the product cannot tell the difference.
"""
