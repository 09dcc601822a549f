"""Real PostgreSQL and Valkey for a newcomer's machine and for the tests, run as our own children.

Neither server is ever daemonised: whoever starts one is its parent, and it ends when its parent ends, however that happened.
In production both are given by address (GUANJIA_DATABASE_URL, GUANJIA_REDIS_URL) and nothing of this package runs.
"""
