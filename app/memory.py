"""The garbage collector of a long-lived process: out of the way while it starts, and settled before its first request."""

import gc


def start_without_collector() -> None:
    """Before anything large is imported: nothing of that is ever garbage, and looking through it again and again takes a
    fifth of a start's time."""
    gc.disable()


def settle_memory() -> None:
    """Take what the start has made out of the garbage collector's sight: nothing of it will ever be garbage.

    Otherwise each full collection walks the whole program in the middle of a payment. What a busy process holds for some
    milliseconds, two batches of payments with all their rows, is fewer objects than the first threshold: looking through
    them took a fifteenth of its time and found nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    gc.enable()
