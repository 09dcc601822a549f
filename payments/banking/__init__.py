"""The bank's files: statements in (camt.053, a CSV template), instructions out (pain.001, a workbook).

Readers and writers are pure. A file is taken whole or not at all: against its schema, with its sums, its days and its place
after the statement before. The schemas are ISO 20022's own (`schemas/`).
"""
