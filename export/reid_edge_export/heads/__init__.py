"""Heads that a desktop trains in minutes on the vectors of a gallery: gradient boosting, a classifier, an ArcFace projection."""
