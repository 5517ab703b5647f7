"""What Python's garbage collector walks."""

import gc


def leave_out_what_lives() -> None:
    """What is loaded by now stays; walking all of it would hold up calls again and again."""
    gc.collect()
    gc.freeze()
