"""Authentication of requests: tokens, login sessions, passwords, CSRF."""
