"""Maintenance of the store and the catalog: housekeeping, fsck, backup, restore."""
