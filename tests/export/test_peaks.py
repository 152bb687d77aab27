"""Suppression, selection and windows against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reid_edge_export.peaks import around, strongest, survives_suppression, to_grid, without_border  # noqa: E402


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_suppression_keeps_local_maxima_and_twice_those_of_what_their_windows_leave(radius: int) -> None:
    score = np.random.default_rng(radius).random((24, 31))
    found = survives_suppression(torch.from_numpy(score)[None, None], radius)[0, 0].numpy()
    np.testing.assert_array_equal(found, _surviving(score, radius))
    alone = _maxima(score, radius)
    assert found.sum() > alone.sum() > 0
    assert found[alone].all()


def test_a_shoulder_outside_the_window_of_its_peak_survives() -> None:
    score = torch.tensor([0.0, 1.0, 0.7, 0.6, 0.5, 0.0]).repeat(1, 1, 1, 1)
    assert survives_suppression(score, 2)[0, 0, 0].tolist() == [False, True, False, False, True, False]


def _surviving(score: np.ndarray, radius: int) -> np.ndarray:
    kept = _maxima(score, radius)
    for _ in range(2):
        shadow = np.zeros_like(kept)
        for row, column in np.argwhere(kept):
            shadow[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = True
        kept |= _maxima(np.where(shadow, 0, score), radius) & ~shadow
    return kept


def _maxima(score: np.ndarray, radius: int) -> np.ndarray:
    padded = np.pad(score, radius, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
    return score == windows.max((2, 3))


def test_the_strongest_pixels_come_in_falling_order_with_their_places() -> None:
    score = torch.rand(2, 1, 40, 56)
    scores, places, keypoints = strongest(score, 50)
    assert (scores.diff(dim=1) <= 0).all()
    x, y = keypoints.long().unbind(2)
    for image in (0, 1):
        torch.testing.assert_close(score[image, 0, y[image], x[image]], scores[image])
        torch.testing.assert_close(score[image].flatten()[places[image]], scores[image])
    assert (score > scores[:, -1, None, None, None]).sum() == 98


def test_the_pixels_around_a_place_are_those_of_an_unfolded_map() -> None:
    maps = torch.rand(2, 3, 9, 11)
    places = torch.tensor([[2 * 11 + 2, 6 * 11 + 8], [4 * 11 + 5, 3 * 11 + 2]])
    expected = torch.nn.functional.unfold(maps, 5, padding=2).view(2, 3, 25, 99)
    expected = torch.stack([expected[image][:, :, places[image]] for image in (0, 1)]).transpose(2, 3)
    torch.testing.assert_close(around(maps, places, 2), expected)


def test_the_grid_of_a_pixel_samples_that_pixel() -> None:
    ramp = torch.stack(torch.meshgrid(torch.arange(7.0), torch.arange(5.0), indexing="xy"))[None]
    xy = torch.tensor([[[[0.0, 0.0], [6.0, 4.0], [2.25, 3.5]]]])
    sampled = torch.nn.functional.grid_sample(ramp, to_grid(xy, ramp), align_corners=False)
    torch.testing.assert_close(sampled[0, :, 0].T, xy[0, 0])


def test_no_score_is_left_along_the_border() -> None:
    kept = without_border(torch.ones(1, 1, 12, 16), 3)[0, 0]
    assert kept.sum() == 6 * 10
    assert kept[3:-3, 3:-3].all()
