"""Two animals side by side, at one scale, in one orientation, with their matched points."""
