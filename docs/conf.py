"""The documentation site, by Sphinx (`make docs`): pages of the repository as they are, and `sitepages` beside them."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import openmm_cgaa  # noqa: E402

# the source folder is the root of the repository, so that links between its pages hold in the site as well
project = "openmm_cgaa"
author = "the openmm_cgaa developers"
release = openmm_cgaa.__version__
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*", "docs/notebooks/*.ipynb", "records/*.md", "records/ec_*/*.md"]
include_patterns += ["openmm_cgaa/models/*.md", "systems/**/*.md", "tests/README.md", "tests/foreign/README.md"]
exclude_patterns = [".*", "build", "demo", "runs", "systems/*/runs", "docs/sitepages"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sitepages"]

myst_heading_anchors = 4
nb_execution_mode = "off"  # tests run the notebooks (tests/test_notebooks.py)
default_role = "code"  # `name` in a docstring
smartquotes = False  # what is typed stays as it is: --option

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "none"  # docstrings tell types, with shapes and units
numpydoc_show_class_members = False  # autodoc lists them

html_theme = "furo"
html_title = f"openmm_cgaa {release}"
html_static_path = ["sitepages/site.css"]
html_css_files = ["site.css"]
html_extra_path = ["sitepages/index.html"]  # the address of the site leads to docs/index.html
html_copy_source = False
html_show_copyright = html_show_sphinx = False
