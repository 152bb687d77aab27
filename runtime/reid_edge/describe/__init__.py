"""The first half of the way of a photo: its animals, and what each looks like as vectors, keypoints and pictures."""
