"""`guanjia simulate lunch`: a whole lunch of a town, squeezed into a minute, played by real clients against a running product.

Tills (each with its token and its own numbers) and phones (each with its session, its socket on `me` and the codes it fetches)
speak HTTP and WebSocket, and nothing else; every answer is checked, everybody must be told exactly once, and at the end
the books are asked. What came of it is one page with pictures and one JSON file. Begin at `play.py`.

`plan.py` says who comes when and what goes wrong with it on purpose; `world.py` and `installation.py` make the place; `wire.py`,
`tills.py` and `phones.py` are the clients; `books.py` and `watch.py` look; `summary.py`, `charts.py` and `report.py` tell.
"""
