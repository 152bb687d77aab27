"""Made-up vectors are like those of photos: photos of one individual are near each other, species lie apart, a larger gallery begins as a
smaller one does."""

from __future__ import annotations

import numpy as np

from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge_benchmarks.latency.command import Photos
from reid_edge_benchmarks.scale.vectors import PHOTOS_OF_ONE, REGIONS, MadeUpPhotos, made_up_models, models_of_photos


def test_the_photos_of_one_individual_are_as_like_each_other_as_the_models_say():
    models = made_up_models(5, 384)
    vectors = MadeUpPhotos(models).vectors(0, 20 * PHOTOS_OF_ONE)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    own = [(each @ each.T)[np.triu_indices(PHOTOS_OF_ONE, 1)] for each in np.split(vectors, 20)]
    assert abs(np.median(np.concatenate(own)) - models.likeness) < 0.03
    assert np.median(vectors[::PHOTOS_OF_ONE] @ vectors[1::PHOTOS_OF_ONE].T) < 0.3


def test_a_part_of_the_photos_is_the_same_whatever_the_size_of_the_gallery():
    photos = MadeUpPhotos(made_up_models(5, 16))
    whole = photos.vectors(0, 2500)
    for first, last in ((0, 1), (999, 1001), (1300, 2500)):
        np.testing.assert_array_equal(photos.vectors(first, last), whole[first:last])


def test_regions_are_of_all_species_and_the_same_for_all_photos_of_an_individual():
    photos = MadeUpPhotos(made_up_models(5, 16))
    places = {(photos.species(each), photos.region(each)) for each in range(0, 100 * PHOTOS_OF_ONE, PHOTOS_OF_ONE)}
    assert len(places) == 4 * REGIONS
    assert {photos.region(each) for each in range(PHOTOS_OF_ONE)} == {0}


def test_the_queries_are_photos_that_were_not_mixed_and_the_vectors_are_projected(few_gallery, few_samples, identifier):
    database, queries = (tuple(read_source(few_samples, split=split)) for split in ("database", "query"))
    plain = tuple(Enrolment(row.path, row.identity) for row in queries)
    with Gallery.open(few_gallery, writable=False) as gallery:
        models = models_of_photos(gallery, Photos(database, plain, "samples"), identifier, 64, lambda items, *_: items)
    assert models.vectors.shape == (6, 64)
    assert models.queries.shape == (3, 64)
    assert np.allclose(np.linalg.norm(models.queries, axis=1), 1, atol=1e-5)
    assert 0.99 < models.kept <= 1.001  # six vectors lie on six axes
    assert 0.05 <= models.likeness < 1
    assert (models.queries @ models.vectors.T).max() < 0.9999
    assert MadeUpPhotos(models).vectors(0, 3).shape == (3, 64)
