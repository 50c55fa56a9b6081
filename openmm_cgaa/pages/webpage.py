"""Pages that need nothing else: templates of other rooms on one base, which has the look of all.

A template of another room extends ``base.html.jinja`` and imports macros from ``parts.html.jinja``. Both stand beside
this module. Text is escaped, and a value that is missing ends the page.
"""

import base64
from pathlib import Path
from typing import Any

import jinja2

from ..inputs.arguments import FilePath

HERE = Path(__file__).parent


def rendered(template: FilePath, values: dict[str, Any], **filters: Any) -> str:
    """A page as text.

    Parameters
    ----------
    template : path
        Of the page; templates beside it and those of this room are found by their names.
    values : dict
        What it shows.
    **filters : callable
        Of the template, besides ``base64`` of bytes and ``duration`` of seconds.

    Raises
    ------
    jinja2.UndefinedError
        A value is missing.
    """
    template = Path(template)
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader([template.parent, HERE]),
    )
    environment.filters |= {"base64": lambda data: base64.b64encode(data).decode(), "duration": duration} | filters
    return environment.get_template(template.name).render(values)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
