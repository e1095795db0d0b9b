"""Who sends a request: tokens, login sessions, passwords, CSRF."""
