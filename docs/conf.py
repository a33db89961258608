"""The site that Sphinx makes of these pages: `nox -s docs` builds it into docs/_build/html.

The pages are plain Markdown and are read on code hosts too. What a site needs besides is added while they are read, by
the modules in `_ext/`: each says what.
"""

import sys
from pathlib import Path

import ambi

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "ambi"
author = "The ambi authors"
project_copyright = author
version = release = ambi.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "commands",
    "diagrams",
    "docstrings",
    "names",
    "pages",
    "reference",
]
exclude_patterns = ["_build"]
nitpicky = True

# Headings answer to the same fragments as on code hosts.
myst_heading_anchors = 6
myst_fence_as_directive = ["commands", "dot", "limits", "reference"]
myst_url_schemes = {"http": None, "https": None, "mailto": None, "source": None}

# Names in signatures that are in nobody's reference here. Nothing is asked of other sites while this one is built.
nitpick_ignore_regex = [
    # Python's own.
    ("py:.*", r"(asyncio|collections|contextlib|datetime|io|logging|os|pathlib|re|typing|_thread)\..*"),
    ("py:class", r"AbstractAsyncContextManager|AbstractContextManager|PathLike|datetime|timedelta"),
    # Libraries behind extras.
    ("py:.*", r"jinja2\..*"),
    # Variables of types: they stand for a type, they are none.
    ("py:.*", r"(ambi\.[\w.]+\.)?(Answer|[A-Z]|T_co)"),
    # Short names for what an argument may be; each is said in words where the argument is explained.
    ("py:class", r"Body|BuildOptions|Change|Content|Demand|Fields|Files|HeaderPairs|Immutable|LogFormat"),
    ("py:class", r"Message|Pair|Pairs|Policy|RequestOptions|Seconds|Strategy|TemplateSource"),
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
autodoc_default_options = {
    "members": True,
    "inherited-members": "object, Exception, Protocol, Generic, dict, tuple, Mapping, MutableMapping",
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "ambi"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
