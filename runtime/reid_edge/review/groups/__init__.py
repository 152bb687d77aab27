"""The groups of a discovery for the page: what is shown, and what people say of them."""
