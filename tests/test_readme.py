"""Every command and the program that the README shows are run, and every link of the documentation leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def shown_commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_every_command_of_the_readme_and_then_its_program_works_in_the_order_in_which_it_is_shown(tmp_path: Path) -> None:
    commands = shown_commands()
    assert len(commands) > 10
    (tmp_path / "runtime").symlink_to(REPOSITORY / "runtime")
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "reid-edge"
        environment = {**os.environ, "REID_EDGE_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-m", "reid_edge", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("known Chipo, "), done.stderr
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "catalogue.zip").is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_the_documentation_leads_to_a_file(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
