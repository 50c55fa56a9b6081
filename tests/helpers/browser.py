"""A page as a real browser lays it out, where one is installed (headless Chromium)."""

import html
import json
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ASKED = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
onload = () => document.body.dataset.found = JSON.stringify([...document.querySelectorAll("iframe")].map(frame => {{
  const root = frame.contentDocument.documentElement;
  const images = [...frame.contentDocument.images];
  return {{width: frame.clientWidth, needed: root.scrollWidth, height: root.scrollHeight,
    images: images.length, drawn: images.filter(one => one.complete && one.naturalWidth > 0).length}};
}}));
</script></body>"""


def laid_out(page, folder, widths):
    """Of a page (text) at each width in pixels: the ``width`` that it ``needed``, and ``images`` that are ``drawn``."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    frame = '<iframe style="width:{}px;height:900px;border:0" srcdoc="{}"></iframe>'
    frames = "".join(frame.format(width, html.escape(page)) for width in widths)
    path = folder / "frames.html"
    path.write_text(ASKED.format(frames=frames), encoding="utf-8")
    words = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder}/profile",
    ]
    words += ["--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
    said = subprocess.run(words, capture_output=True, text=True, timeout=240)
    found = re.search(r'<body data-found="([^"]*)"', said.stdout)
    assert found, said.stderr[-2000:]
    return json.loads(html.unescape(found[1]))
