"""Plain definitions of what compares individuals, shared by both references and by no code of the runtime."""
