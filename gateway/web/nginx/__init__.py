"""The requests and headers that nginx itself sends to Flask."""
