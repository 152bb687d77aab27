"""From PyTorch to verified ONNX: `catalogue` lists the networks, `networks` holds them, `export` makes the files."""
