"""Mail: what is written, in which language, and how it goes to the relay."""
