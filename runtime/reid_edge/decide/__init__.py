"""Raw scores become probabilities, a ranking, and an answer: known, new, or ask a person."""
