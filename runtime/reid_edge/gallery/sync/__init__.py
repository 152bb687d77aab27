"""Two galleries become one: the decisions of a station are repeated on a hub, and the station takes over what the hub then is.

The hub, a server or another file, puts all decisions in one order, that of their arrival. What contradicts an earlier decision is not
carried out but kept as a question. So every station that has synchronised is the hub, row for row, and no decision is lost.
"""

from reid_edge.gallery.sync.questions import Question, close_question, open_questions
from reid_edge.gallery.sync.synchronise import SyncReport, synchronise

__all__ = ["Question", "SyncReport", "close_question", "open_questions", "synchronise"]
