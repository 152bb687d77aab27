"""Find the animals in a photo as boxes, masks and crops, with a network that gives a saliency map or one that gives instances."""

from reid_edge.describe.segmentation.animal import NO_ANIMAL, Animal, whole_frame
from reid_edge.describe.segmentation.finding import find_animals
from reid_edge.describe.segmentation.given_boxes import LEAST_SIDE, Box, animals_in_boxes, narrowed, overlap, widened
from reid_edge.describe.segmentation.locating import locate_animals

__all__ = [
    "LEAST_SIDE",
    "NO_ANIMAL",
    "Animal",
    "Box",
    "animals_in_boxes",
    "find_animals",
    "locate_animals",
    "narrowed",
    "overlap",
    "whole_frame",
    "widened",
]
