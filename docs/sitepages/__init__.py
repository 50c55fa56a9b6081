"""What the site adds to the pages of the repository: what is written from the code, each behind words of its own."""

from . import gallery, messages, names, options

WRITTEN = {
    "docs/gallery": gallery.markdown,
    "docs/messages": messages.markdown,
    "docs/names": names.markdown,
    "docs/options": options.markdown,
}


def complete(app, docname, source) -> None:
    """Add to the words of a page what is written from the code (the event source-read of Sphinx)."""
    if docname in WRITTEN:
        source[0] += f"\n{WRITTEN[docname]()}"


def setup(app) -> dict:
    """What Sphinx calls at its start."""
    app.connect("source-read", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
