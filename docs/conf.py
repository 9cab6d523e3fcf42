"""How the documentation is built: `.venv/bin/python -m sphinx -W docs docs/_build/html`."""

import importlib.util
import re
import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from mrsim.core.version import __version__  # noqa: E402

project = "mrsim"
author = "The mrsim authors"
copyright = "2026, the mrsim authors"
release = version = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
    "model_pages",
    "reference_pages",
]
# Formulas without the network: this package carries MathJax and copies it into the pages. Without it the pages
# load MathJax from the address that Sphinx knows.
OFFLINE_FORMULAS = "sphinx-mathjax-offline"
if importlib.util.find_spec(OFFLINE_FORMULAS):
    extensions.append(OFFLINE_FORMULAS)
exclude_patterns = ["_build", "jupyter_execute"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}  # generated pages take the first
templates_path = ["_templates"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

html_theme = "pydata_sphinx_theme"
html_title = f"mrsim {version}"
html_theme_options = {
    "navbar_center": [],  # the whole table of contents stands at the left
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
}
html_sidebars = {"**": ["globaltoc.html"], "index": []}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False


def escape_bars(app, what, name, obj, options, lines):
    """Let docstrings write |M| for a magnitude, which reStructuredText would take for a substitution."""
    for index, line in enumerate(lines):
        parts = re.split(r"(`+[^`]*`+)", line)
        lines[index] = "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in parts)


def skip_aliases(app, what, name, obj, skip, options):
    """Leave out aliases of generic types, which numpydoc takes for classes."""
    return True if isinstance(obj, types.GenericAlias) else None


def setup(app):
    """Register the two; bars are escaped behind numpydoc, which rewrites docstrings first."""
    app.connect("autodoc-process-docstring", escape_bars, priority=900)
    app.connect("autodoc-skip-member", skip_aliases)
