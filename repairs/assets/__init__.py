"""Assets: machines and fittings that stand at a place and carry a label of their own.

Owns: the register of assets and their labels (a signed code, printed like those of places). Invariants: an asset's code is
unique; one issue of its label counts; a label says nothing of what is out of use. Neighbours: identity (places).
"""
