"""examples/guestbook, in process: the same through both gateways."""
