"""Settings of Sphinx: `nox -s docs` builds the documentation and runs its examples."""

import re

import memopt

project = "memopt"
author = "The memopt developers"
copyright = author
release = version = memopt.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

smartquotes = False  # text is quoted for Python

html_theme = "furo"
html_title = f"memopt {release}"
html_static_path = ["images"]

nitpicky = False  # the types in signatures are those of the stub, and no pages
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
doctest_global_setup = "import sys\nimport memopt"


def plain_to_rst(app, what, name, obj, options, lines):  # noqa: PLR0913
    """Docstrings are written for help(): no character in them is markup."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = re.sub(r"([*|_])(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"\\\1", line)


def setup(app):
    app.connect("autodoc-process-docstring", plain_to_rst)
