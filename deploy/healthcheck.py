"""Exit code 0 where the daemon of this container is healthy: GET /healthz of --http."""

from __future__ import annotations

import sys
import urllib.request

try:
    with urllib.request.urlopen("http://127.0.0.1:9464/healthz", timeout=10) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"not healthy: {error}")
