"""Tables on a terminal: one look for all commands, and no column cut short."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def new_table(title: str | None, first: str, *numbers: str, width: int = 36, **style: Any) -> "Table":
    """A Rich table whose first column holds words and may fold, and whose others hold numbers.

    Parameters
    ----------
    title : str or None
    first : str
        Heading of the words.
    numbers : str
        Headings of the numbers.
    width : int
        Of the first column at most.
    style
        For ``rich.table.Table``.
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left", **style)
    table.add_column(first, max_width=width, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def show(table: "Table", markup: bool = False) -> None:
    """Print a table as wide as it is, rather wrapped by the terminal than cut short; with `markup` [dim] means dim."""
    from rich.console import Console

    console = Console(highlight=False, markup=markup)
    console.width = max(console.width, console.measure(table, options=console.options.update(width=200)).maximum)
    console.print(table)
