"""Apps to read and to run. Start with hello.py."""
