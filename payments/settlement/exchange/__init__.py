"""Two installations, two cities, each with its own: what their regions owe each other, by signed line files both ways.

Each installation has a row for the other's region. People of that region who eat here are registered here as members of
its organisations, so a meal is booked here, in both books, as between any two regions. The other installation hears of it
by our statement of the pair: it checks the signature against the root key that it has pinned, books what it did not know
under the same names (`away:<region>`), and names every line on which the two sides differ. What agrees is netted by the
code that nets regions of one platform. Why one platform is the default: docs/adr/two-installations.md.
"""
