"""The development server: what `ambi run` is made of.

    listening.py    the socket, and the address as a link
    banner.py       what is said in the terminal
    supervising.py  the parent: owns the socket, starts the child, and starts another when files change
    watching.py     which files, and how a change of them is noticed
    child.py        the child: a process that serves until it is told to end
    serving.py      loads the application and serves it, in the child, or in the only process with `--no-reload`
    asgi_server.py  uvicorn
    wsgi_server.py  a server of the standard library's parts, threaded; it shows pages of failures as well
    request_head.py the head of a request, read strictly
    failing.py      why there is no application, for the terminal and for a browser
    access.py       the line a request

Facts
- The parent never imports the application: what its import does, it does once a start.
- The socket listens as long as the parent lives, so that a browser waits during a restart and is not refused.
- While there is no application, the parent itself answers on the socket.
"""
