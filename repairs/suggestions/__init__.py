"""The suggestions box: what somebody would like to be better, taken up by the office, answered in public, rated by its raiser.

Owns: suggestions and the steps of their lives.
Invariants: nobody but its raiser learns whose a suggestion is, the office neither; an answer or a refusal has words, and everybody
may read it; only the raiser rates, and an own suggestion is neither taken up nor answered.
Neighbours: identity says who keeps the box of a region.

Begin with `states.py`, then `service.py`.
"""
