"""`python -m reid_edge` is `reid-edge`."""

from reid_edge.processes import leave_out_current_folder

leave_out_current_folder()  # `python -m` puts it first, and it may be a memory card with a json.py

from reid_edge.cli import main  # noqa: E402

main()
