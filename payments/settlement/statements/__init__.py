"""Statements: what one month of a region's book says to a unit, a canteen, another region or a person.

A statement is a pure function of the journal up to a vector {lane: n}: whoever makes it again, on whatever machine, gets
the same bytes. It is given as a spreadsheet, as CSV, as PDF, and as a line file that is signed and can be checked without
a database (`guanjia verify-statement`). Begin with `statement.py` (what it is), `line_file.py` (the form that counts)
and `service.py` (how it is made). The format for others: docs/statements.md.
"""
