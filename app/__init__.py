"""Assembles everything: the web application, the worker, the command line, the supervisor, and who listens to which event.

Nothing imports this package; it imports everybody else.
"""
