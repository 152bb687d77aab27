"""Files and databases that survive a kill, a power cut and a full disk.

Only this package syncs files, replaces them, or opens SQLite; tests/runtime/storage/test_storage_boundary.py holds that.
"""
