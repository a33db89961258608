"""The client for tests is itself tested."""
