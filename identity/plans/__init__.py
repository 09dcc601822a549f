"""Plans of storeys and grounds, and the ways that are walked on them.

A plan is a picture of a place with a graph over it: points (a way, a door, stairs, a lift), each perhaps that of a place of the
tree, and edges that are walked both ways. Links join points of different plans: the stairs to the next storey, the door to the
yard. Begin with `ways.py`, which is a pure function over points and edges.
"""
