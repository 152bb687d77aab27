"""From a readable photo to a committed answer, and from answers to events."""
