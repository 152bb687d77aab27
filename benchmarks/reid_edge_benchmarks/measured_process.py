"""``python -m reid_edge_benchmarks.measured_process FILE ARGUMENTS``: the command line, which then writes its peak memory into FILE."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

from reid_edge.cli import main
from reid_edge_benchmarks.memory import peak_memory

if __name__ == "__main__":
    atexit.register(lambda: Path(sys.argv[1]).write_text(str(peak_memory()), encoding="ascii"))
    main(sys.argv[2:])
