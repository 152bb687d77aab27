"""The measurement of a shared catalogue runs at a small size, and its made-up photos are like those of individuals."""

from __future__ import annotations

import json

import numpy as np
from click.testing import CliRunner

from reid_edge_benchmarks.scale.catalogue import SHORTLIST, catalogue, made_up


def test_a_file_and_a_server_are_measured_and_the_index_finds_what_an_exact_search_finds(postgres, tmp_path):
    figures = tmp_path / "figures.json"
    options = ["--sizes", "120", "--dimension", "16", "--queries", "4", "--server", str(postgres), "--json", str(figures)]
    done = CliRunner().invoke(catalogue, options, catch_exceptions=False)
    rows = json.loads(figures.read_text())["catalogue"]
    assert [row["store"] for row in rows] == ["file", "server", "server, indexed"]
    assert rows[2]["recall"] > 0.9
    assert "| 120 " in done.output


def test_the_photos_of_one_individual_are_near_each_other():
    vectors, asked = made_up(200, 10, 32)
    likeness = asked @ vectors.T
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    owner = likeness.argmax(axis=1) % 20
    of_owner = np.array([row[number::20].mean() for row, number in zip(likeness, owner, strict=True)])
    assert (of_owner > 3 * np.abs(likeness).mean()).all()
    assert SHORTLIST == 50
