"""Sessions: in a cookie and in each store."""
