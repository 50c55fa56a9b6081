"""Bars that tell how much of a command's work is done, by tqdm: often on a terminal, once a minute into a file."""

import sys
from typing import TYPE_CHECKING, Any, Self

from .terminal import tell

if TYPE_CHECKING:
    from tqdm import tqdm


class Bar:
    """A bar that is there from when it first has something to show until the `with` block ends.

    Attributes
    ----------
    bar : tqdm.tqdm, optional
    """

    def __init__(self) -> None:
        self.bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """The next `shown` is of a new one."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None

    def shown(self, form: str, total: float, done: float = 0.0, **settings: Any) -> "tqdm":
        """The bar, which is made if there is none.

        Parameters
        ----------
        form : str
            tqdm's ``bar_format``.
        total, done : float
            Of all the work, and of what an earlier call has done: that does not count for the speed.
        **settings
            Of tqdm.
        """
        if self.bar is None:
            from tqdm import tqdm

            every = 0.5 if sys.stderr.isatty() else 60.0  # s
            self.bar = tqdm(bar_format=form, total=total, initial=done, smoothing=0, mininterval=every, **settings)
        return self.bar

    def tell(self, line: str) -> None:
        """A line above the bar."""
        if self.bar is None:
            tell(line)
        else:
            self.bar.write(line, file=sys.stderr)
