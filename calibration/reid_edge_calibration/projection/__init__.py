"""Adaptation to the user's own animals: a linear projection of a pack's embeddings, learnt on a CPU and kept only where it helps."""
