"""The answers that a person reviews, from wherever they are stored."""
