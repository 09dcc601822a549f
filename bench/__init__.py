"""Speed, measured: `make bench` runs every bench, `make bench ONLY=name` one of them.

Each row is a ratio or a figure taken in one run on one machine, next to its baseline and its goal; the machines are
shared and noisy, so a ratio says more than a rate. `rig.py` builds the world (real servers, durable settings, codes
issued through the service), `load.py` is the client, and each other file is one bench. Begin with `main.py`.
"""
