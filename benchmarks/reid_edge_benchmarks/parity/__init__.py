"""A system twice: as the runtime runs it, and in PyTorch, written from the recipe and the accounts alone; compared stage by stage."""
