"""The page and the HTTP API: routes, templates, and what keeps strangers out."""
