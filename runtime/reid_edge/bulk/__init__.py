"""Work on more photos than one process can do: described, identified or audited by many workers, each result written exactly once.

`running.py` and the three kinds of work know nothing of Ray; `ray_pool.py` alone does.
"""
