"""A person answers: the local page over a gallery and stored answers, and the HTTP API of the same process (extra `review`)."""
