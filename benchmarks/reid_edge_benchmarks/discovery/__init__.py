"""How well photos of animals that nobody has named are grouped, and the model that groups them."""
