"""The project's own benchmark: this framework beside the raw callable and its peers, in one process.

``__main__.py`` is the command, ``cases.py`` says what is asked, ``gateways.py`` asks it as a server would,
``measure.py`` times and counts, ``report.py`` writes the tables.
What is measured stands in ``ours.py`` and ``peers/``.
"""
