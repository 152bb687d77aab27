"""The ArcFace loss is that of the paper, and its gradient is its slope."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from reid_edge_calibration.projection.arcface import arcface


@pytest.fixture
def case():
    random = np.random.default_rng(0)
    vectors, prototypes = random.normal(size=(7, 5)), random.normal(size=(3, 5))
    labels = np.array([0, 0, 1, 1, 2, 2, 0])
    return vectors, prototypes, labels, np.ones((7, 3), bool)


def test_the_loss_is_equation_3_of_the_paper(case):
    vectors, prototypes, labels, _ = case
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, prototypes)]
    angle = np.arccos(unit[0] @ unit[1].T)
    angle[np.arange(7), labels] += 0.3
    power = np.exp(16 * np.cos(angle))
    expected = -np.log(power[np.arange(7), labels] / power.sum(axis=1)).mean()
    loss, _, _ = arcface(*case, 16.0, 0.3)
    assert loss == pytest.approx(expected, rel=2e-4)  # measured 2e-5, which the smoothed sine makes


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.8])
def test_the_gradient_is_the_slope_of_the_loss(case, margin):
    vectors, prototypes, labels, rivals = case
    rivals = rivals.copy()
    rivals[0, 1] = rivals[4, 0] = False
    _, by_vectors, by_prototypes = arcface(vectors, prototypes, labels, rivals, 8.0, margin)

    def loss(flat):
        both = flat.reshape(10, 5)
        return arcface(both[:7], both[7:], labels, rivals, 8.0, margin)[0]

    slope = approx_fprime(np.concatenate((vectors.ravel(), prototypes.ravel())), loss, 1e-7)
    found = np.concatenate((by_vectors.ravel(), by_prototypes.ravel()))
    assert np.abs(slope - found).max() < 2e-6 * max(1, np.abs(found).max())  # differences of 1e-7 are good for that


def test_the_loss_has_no_step_or_cliff_at_any_angle():
    angles = np.linspace(0, np.pi, 2001)
    other = np.array([0.0, 0.0, 1.0])

    def at(angle):
        own = np.array([np.cos(angle), np.sin(angle), 0.0])
        return arcface(np.array([[1.0, 0, 0]]), np.stack((own, other)), np.array([0]), np.ones((1, 2), bool), 4.0, 0.5)[0]

    losses = np.array([at(angle) for angle in angles])
    steps = np.diff(losses)
    assert (steps > -1e-12).all()  # further from the own prototype is never better
    assert steps.max() < 4.0 * np.pi / 2000 * 1.1  # and never worse than the scale allows


def test_classes_that_a_vector_cannot_be_taken_for_do_not_matter(case):
    vectors, prototypes, labels, rivals = case
    alone = rivals.copy()
    alone[:, 2] = False
    alone[labels == 2] = [False, False, True]
    without = arcface(vectors, prototypes, labels, alone, 16.0, 0.3)
    moved = arcface(vectors, prototypes + np.array([[0.0], [0.0], [5.0]]), labels, alone, 16.0, 0.3)
    assert without[0] == pytest.approx(moved[0])
    assert np.abs(without[2][2]).max() == 0  # its own photos have no rival
