"""What an application may have besides: one module each, each removable, none knows another.

static.py        the files of a directory
sse.py           event streams, and resuming them
json_lines.py    streams of JSON values, one a line
templates.py     templates of Jinja2
auth/            credentials, logins, passwords, and targets of redirects
broadcast/       fan-out to many clients, over processes and machines
"""
