"""From watched folders to readable photos: scan, let files settle, decode in a process of its own."""
