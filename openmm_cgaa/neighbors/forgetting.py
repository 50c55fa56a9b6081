"""Lists of neighbours that are made anew on demand, wherever they are kept."""

_times = 0


def forget_neighbors() -> None:
    """Let every list of this process, here or on a device, list its neighbours anew at its next call.

    The order in which forces are summed follows from the positions at which neighbours were listed. A run that forgets
    when it writes a checkpoint goes on as the one that starts from the checkpoint: equal to the bit. The lists inside a
    PythonForce cannot be reached one by one.
    """
    global _times
    _times += 1


def times_forgotten() -> int:
    """How often that was called: who keeps a list looks here before using it."""
    return _times
