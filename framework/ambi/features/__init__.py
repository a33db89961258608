"""What an application may have besides: one module each, each removable, none knows another.

static.py        the files of a directory
sse.py           event streams, and resuming them
json_lines.py    streams of JSON values, one a line
templates.py     templates of Jinja2
log_format.py    the form of log lines
settings/        settings of an application, read from the environment
auth/            credentials, logins, passwords, and targets of redirects
sessions/        what is remembered of a client, in a cookie or a store
broadcast/       fan-out to many clients, over processes and machines
"""
