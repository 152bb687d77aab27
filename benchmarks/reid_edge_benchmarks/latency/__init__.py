"""How long an answer takes, beside PyTorch and beside the common reference pipeline: every side in a process of its own, in turns."""
