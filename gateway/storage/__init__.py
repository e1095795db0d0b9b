"""Names, the files tree, and what lies on disk."""
