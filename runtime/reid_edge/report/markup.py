"""Pieces of the page that everything shares: escaped text, and numbers as a person reads them."""

from __future__ import annotations

import html

import reid_edge
from reid_edge.decide.wording import in_percent


def text(value: object) -> str:
    """Any text, safe inside an element or a quoted attribute."""
    return html.escape(str(value), quote=True)


def page_head(title: str, style: str, script: str = "") -> str:
    """The beginning of a page of its own, up to its body: it fetches nothing from anywhere.

    Args:
        title: escaped.
        style: CSS.
        script: JavaScript; empty for none.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    policy += "script-src 'unsafe-inline'; base-uri 'none'" if script else "base-uri 'none'"
    inside = f"<script>\n{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="reid-edge {reid_edge.__version__}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
{inside}</head>
"""


def name(value: str) -> str:
    """A name from outside; it cannot turn the direction of the text around it."""
    return f"<bdi>{text(value)}</bdi>"


def define(*drawings: str) -> str:
    """SVG drawings that are seen where their ids are used, not here."""
    return f'<svg class="definitions" aria-hidden="true"><defs>{"".join(drawings)}</defs></svg>'


def percent(probability: float) -> str:
    """A whole percent that never claims certainty, escaped."""
    return text(in_percent(probability)).replace(" ", "&nbsp;")


def bar(share: float) -> str:
    """A bar, filled from 0 to `share` of 1; decoration beside the number that says the same."""
    filled = min(max(share, 0.0), 1.0) * 100
    return (
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="100" height="6"/><rect class="filled" width="{filled:.1f}" height="6"/></svg>'
    )
