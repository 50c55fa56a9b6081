"""How messages say a number of things."""


def counted(number: int | str, thing: str) -> str:
    """A number and the word for as many things: 1 frame, 2 frames, 2 topologies.

    Parameters
    ----------
    number : int, or a word such as "no"
    thing : str
        What one is called, such as ``frame`` or ``whole row``.
    """
    if number == 1:
        return f"{number} {thing}"
    if thing.endswith(("ry", "gy")):
        return f"{number} {thing[:-1]}ies"
    return f"{number} {thing}{'es' if thing.endswith(('x', 'ss')) else 's'}"
