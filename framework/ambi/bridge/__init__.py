"""The only code that knows threads and event loops.

interrupting.py  waiting with a deadline, or as long as the client is there
run_ahead.py     the chunks of a stream between the side that makes and the side that sends them
background.py    what runs after a response, and what an application spawns
stopping.py      is the server about to stop?
ticking.py       the time, told to all that is open on an event loop
travel.py        what driving a request's coroutine means; shared by both directions
to_loop.py       WSGI: from the server's thread to the loop thread and back
to_thread.py     ASGI: from the server's loop to one worker thread and back
loop_thread.py   the process's loop thread
workers.py       the worker threads
leaving.py       reaching a thread that waits for an item of a stream that was left
lifespan.py      start-up and shutdown of an application, on either gateway
exits.py         what runs when the process ends
"""
