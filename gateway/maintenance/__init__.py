"""What keeps a store and a catalog in order: housekeeping, fsck, backup, restore."""
