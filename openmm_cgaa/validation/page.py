"""The page of a validation: a template's text with tables and pictures, all from the numbers alone."""

import io
import os
import re

from ..errors import CGAAError, MissingPackageError
from ..host.files import FIGURE, PAGE, check_output, write_bytes
from .row import Row, markdown_table

HEAD = "<!-- openmm-cgaa validate has written this page{source}. Change that, and write the page anew. -->\n"
PLACE = re.compile(r"\{\{ *([^{}]*?) *\}\}")
WAITING = "*Not measured yet.*"


def check_page(system):
    """Refuse a template that cannot be used, and places where no page can be written.

    Raises
    ------
    CGAAError
    """
    _template(system)
    check_output(page_of(system), PAGE, system.files)
    folder = images_of(system)
    if folder.exists() and not folder.is_dir():
        raise CGAAError(f"{folder}: is a file; name a folder for the images")


def page_of(system):
    return system.path(system.page)


def images_of(system):
    return system.path(system.images) if system.images else page_of(system).parent / "images"


def picture_of(system, name):
    """File of a row's figure."""
    return images_of(system) / f"{page_of(system).stem}_{name}.png"


def write_page(results, system) -> str:
    """Write the page; its text."""
    tables = {"summary": summary_table(results, system)}
    for name, row in system.rows.items():
        if name in results:
            tables |= row.tables(results, system)
    text = PLACE.sub(lambda found: tables.get(found[1], WAITING), _template(system))
    source = f" from {os.path.basename(system.template)}" if system.template else ""
    text = HEAD.format(source=source) + text
    write_bytes(page_of(system), text.encode())
    return text


def draw_all(results, system) -> list:
    """Every figure for which there are numbers; their files. None is drawn without matplotlib."""
    drawn = []
    for name, row in () if MissingPackageError.needed("matplotlib") else system.rows.items():
        figure = row.draw(results, system) if name in results else None
        if figure is not None:
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=110)
            path = picture_of(system, name)
            check_output(path, FIGURE, system.files)
            write_bytes(path, _of_few_colors(picture).getvalue())
            drawn.append(path.name)
    return drawn


def summary_table(results, system) -> str:
    """One line for each row with a title."""
    lines = []
    for name, row in system.rows.items():
        if row.title:
            text, met = row.verdict(results, system) if name in results else ("not measured yet", "")
            lines.append([row.title, f"`{name}`", row.must(), text, met])
    return markdown_table(["", "row", "must", "found", "met"], lines)


def _template(system) -> str:
    """Text with places for tables, each of which is one that there is."""
    if system.template is None:
        return _usual(system)
    path = system.path(system.template)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CGAAError(f"{path}: cannot be read ({error}); expected the text of the page, in UTF-8") from None
    known = ["summary", *(name for row in system.rows.values() for name in row.table_names())]
    unknown = [name for name in PLACE.findall(text) if name not in known]
    if unknown:
        raise CGAAError(f"{path}: {{{{ {unknown[0]} }}}} is no table; there are {', '.join(known)}")
    return text


def _usual(system) -> str:
    """A page without words of its own: what was measured, row by row."""
    parts = [f"# Validation of {system.model}", "{{ summary }}"]
    for name, row in system.rows.items():
        head = (row.title or row.what).strip()
        parts.append(f"## {head[0].upper()}{head[1:]}\n`{name}`")
        parts += [f"{{{{ {each} }}}}" for each in row.table_names()]
        if type(row).draw is not Row.draw:
            link = os.path.relpath(picture_of(system, name), page_of(system).parent)
            parts.append(f"![{name}]({link})")
    return "\n\n".join(parts) + "\n"


def _of_few_colors(picture):
    """The same picture in a third of the bytes: pages and their pictures are kept in repositories."""
    from PIL import Image

    small = io.BytesIO()
    Image.open(picture).convert("RGB").quantize(64).save(small, format="png", optimize=True)
    return small
