"""The five systems of AnimalCLEF 2025 beside `field` and `station`: what each is, its parity, and how often it is right."""
