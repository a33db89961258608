"""How the tests of an application look. They are run as `pytest examples/testing`."""
