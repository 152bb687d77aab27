"""Accuracy on labelled photos by the runtime itself: figures, what each stage contributes, and the worst mistakes as pictures."""
