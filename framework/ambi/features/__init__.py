"""What an application may have besides: one module each, each removable, none knows another.

static.py        the files of a directory
"""
