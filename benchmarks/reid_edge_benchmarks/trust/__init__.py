"""Seven laws that an answer must keep, whatever the catalogue holds; each is counted on labelled photos."""
