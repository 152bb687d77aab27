"""Measure accuracy and latency, beside a PyTorch reference; and render the sample animals."""
