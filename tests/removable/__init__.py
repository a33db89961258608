"""Each feature can be deleted: `python -m tests.removable` deletes one after the other, and tests what is left."""
