"""The pure half of ambi: no I/O, no threads, no event loop; it is given bytes and gives bytes back.

Start with `pipeline.py`, the life of one request.
"""
