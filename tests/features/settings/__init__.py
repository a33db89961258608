"""Settings: read from variables by the annotations of a class."""
