"""`python -m reid_edge` is `reid-edge`."""

from reid_edge.cli import main

main()
