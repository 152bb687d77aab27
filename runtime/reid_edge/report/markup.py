"""Pieces of the page that everything shares: escaped text, and numbers as a person reads them."""

from __future__ import annotations

import html


def text(value: object) -> str:
    """Any text, safe inside an element or a quoted attribute."""
    return html.escape(str(value), quote=True)


def name(value: str) -> str:
    """A name from outside; it cannot turn the direction of the text around it."""
    return f"<bdi>{text(value)}</bdi>"


def define(*drawings: str) -> str:
    """SVG drawings that are seen where their ids are used, not here."""
    return f'<svg class="definitions" aria-hidden="true"><defs>{"".join(drawings)}</defs></svg>'


def percent(probability: float) -> str:
    """A whole percent that never claims certainty, escaped."""
    if probability > 0.99:
        return "&gt;&nbsp;99&nbsp;%"
    return "&lt;&nbsp;1&nbsp;%" if probability < 0.01 else f"{probability * 100:.0f}&nbsp;%"


def bar(share: float) -> str:
    """A bar, filled from 0 to `share` of 1; decoration beside the number that says the same."""
    filled = min(max(share, 0.0), 1.0) * 100
    return (
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="100" height="6"/><rect class="filled" width="{filled:.1f}" height="6"/></svg>'
    )
