"""Pages of docs/ that are made from the code: states, invariants, glossary, tables, pay code.

Each module makes one page and is listed in app/generate.py, so `make check` says when a page is stale. To add one: a
function without arguments that returns the text, and a line there.
"""
