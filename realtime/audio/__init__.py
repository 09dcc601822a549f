"""Voices in a call: two browsers find each other through us, and then speak without us.

Owns: passing signals between those who take part in a call (offers, answers, ways to each other), and the list of
servers that help browsers through walls (STUN, TURN with credentials of an hour). Sound never passes through here, and
no call waits for it: without Valkey, a microphone or a way, people go on in writing and by telephone.
Invariants: a signal reaches those who may talk in that call at that moment and nobody else; nothing of it is kept.
Neighbours: whoever owns a kind of call tells who may talk in it (`Talkers`, listed in app/wiring.py).
Begin with `switchboard.py`, then `ice.py`.
"""
