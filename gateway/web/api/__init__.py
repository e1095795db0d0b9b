"""The API: all functions of the pages, for programs."""
