"""The whole way of a photo: from pixels and a gallery to decisions."""
