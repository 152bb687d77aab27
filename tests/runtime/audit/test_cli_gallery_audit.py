"""`reid-edge gallery audit` as a process: its three forms of output, and a run that is killed and continued."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "audit.schema.json").read_text("utf-8"))
ANYTHING = ("--min-probability", "0")

KILLED_AFTER_FIVE_PHOTOS = """
import os, signal
from reid_edge.audit import Audit
from reid_edge.cli import main
compare, done = Audit.compare, []
def compare_or_die(audit, sighting):
    if len(done) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(sighting)
    compare(audit, sighting)
Audit.compare = compare_or_die
main()
"""


def test_json_follows_the_schema_and_csv_and_text_say_the_same(run_cli, doubled, verified_pack):
    arguments = ("gallery", "audit", "--gallery", doubled, "--pack", verified_pack, "--device", "cpu", *ANYTHING)
    printed = run_cli(*arguments, "--json")
    assert printed.returncode == 0, printed.stderr
    findings = [json.loads(line) for line in printed.stdout.splitlines()]
    for finding in findings:
        jsonschema.validate(finding, SCHEMA)
    (double,) = [each for each in findings if set(each["individuals"]) == {"Asha", "Zawadi"} and each["kind"] == "may-be-one"]
    assert double["commands"] == [f"reid-edge gallery merge Zawadi --into Asha --gallery {doubled}"]
    rows = list(csv.DictReader(io.StringIO(run_cli(*arguments, "--csv").stdout)))
    assert [row["individuals"] for row in rows] == [" | ".join(each["individuals"]) for each in findings]
    text = run_cli(*arguments).stdout
    assert "May be one individual: Asha and Zawadi" in text
    assert all(f"  $ {command}\n" in text for each in findings for command in each["commands"])


def test_top_and_min_probability_limit_the_findings(run_cli, doubled, verified_pack):
    arguments = ("gallery", "audit", "--gallery", doubled, "--pack", verified_pack, "--device", "cpu", "--json")
    everything = run_cli(*arguments, *ANYTHING).stdout.splitlines()
    assert len(everything) > 3
    limited = run_cli(*arguments, *ANYTHING, "--top", 1)
    kinds = [json.loads(line)["kind"] for line in limited.stdout.splitlines()]
    assert len(kinds) == len(set(kinds))
    assert "--top prints more" in limited.stderr
    some = run_cli(*arguments, "--min-probability", "0.1").stdout.splitlines()
    assert some == [line for line in everything if json.loads(line)["probability"] >= 0.1]


def test_a_killed_audit_goes_on_where_it_was_and_ends_the_same(run_cli, doubled, verified_pack, environment, tmp_path):
    arguments = [
        "gallery",
        "audit",
        "--gallery",
        str(doubled),
        "--pack",
        str(verified_pack),
        "--device",
        "cpu",
        "--json",
        *ANYTHING,
    ]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_FIVE_PHOTOS, *arguments], env=environment, cwd=tmp_path, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = doubled.with_name("own.sqlite.cache").glob("audit-*.jsonl")
    assert left.read_bytes().count(b"\n") == 5
    continued = run_cli(*arguments)
    assert "Continuing: 5 photos of 24 were compared before." in continued.stderr
    left.unlink()
    assert run_cli(*arguments).stdout == continued.stdout


def test_json_and_csv_together_and_an_unknown_species_are_usage_errors(run_cli, doubled, verified_pack):
    both = run_cli("gallery", "audit", "--gallery", doubled, "--json", "--csv")
    assert both.returncode == 2
    assert "exclude each other" in both.stderr
    unknown = run_cli(
        "gallery", "audit", "--gallery", doubled, "--pack", verified_pack, "--device", "cpu", "--species", "unicorn"
    )
    assert unknown.returncode == 2
    assert "holds no unicorn" in unknown.stderr
