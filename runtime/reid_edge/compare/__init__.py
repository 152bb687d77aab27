"""The second half of the way of a photo: an animal's features against a gallery, as raw scores."""
