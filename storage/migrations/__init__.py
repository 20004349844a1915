"""Schema changes, applied by `storage.database.upgrade`."""
