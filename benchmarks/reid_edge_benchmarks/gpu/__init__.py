"""One run that measures everything on a GPU within minutes: self-tests, agreement, pairs a second, a photo, memory."""
