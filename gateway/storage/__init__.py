"""Names, the files tree, and the files on disk."""
