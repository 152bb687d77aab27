"""docs/benchmarks.md out of the results of all benchmarks, so that no figure is typed by hand."""
