"""Photos of patterned animals, rendered by the project so that they are ours to ship and to test with."""

from reid_edge_benchmarks.sample_animals.catalogue import SAMPLE_PHOTOS, SamplePhoto, write_sample_set
from reid_edge_benchmarks.sample_animals.scene import Animal, Photo, render_animal, render_photo

__all__ = ["SAMPLE_PHOTOS", "Animal", "Photo", "SamplePhoto", "render_animal", "render_photo", "write_sample_set"]
