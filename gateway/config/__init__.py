"""The settings: their types, their validation, and the locations of files."""
