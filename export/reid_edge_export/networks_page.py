"""docs/networks.md, from the catalogue and what was verified of it: ``python -m reid_edge_export.networks_page > docs/networks.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reid_edge.markdown import markdown_table
from reid_edge_export.catalogue import CATALOGUE, Network, outputs_in_words
from reid_edge_export.verification import TARGETS, VerificationFinding, by_network, read_findings

_INTRODUCTION = """\
# Networks

What `reid-edge export` can turn into ONNX, and what was verified of it. This page is made by
`python -m reid_edge_export.networks_page > docs/networks.md` from the catalogue and from the findings of `reid-edge export --verify`.

A network is exported with opset 18, without plugins and with its weights inside. A precision **passed** when the file, in ONNX Runtime
on the processor, answers as PyTorch does on real photos, within the bound of its task; the figure is the measure that decides. Weights
that no package holds are replaced by random ones, conditioned so that photos still differ: that proves the conversion, the loading of
the official key layout is tested apart, and it says nothing about accuracy. TensorRT-RTX built each file without a GPU for
{targets} (seconds from ONNX to engine on a busy two-core machine, megabytes of the engine); that it builds does not say how fast or how
well it answers there."""


def page() -> str:
    """The whole page as Markdown."""
    found = by_network(read_findings())
    parts = [_INTRODUCTION.format(targets=" and ".join(TARGETS)), "## What there is", _catalogue_table(CATALOGUE.values())]
    parts += ["## What was verified", _findings_table([finding for each in CATALOGUE for finding in found.get(each, [])])]
    refused = _refused([finding for each in found.values() for finding in each])
    parts += ["## What was refused, and why", refused] if refused else []
    return "\n\n".join(parts) + "\n"


def _catalogue_table(networks: Iterable[Network]) -> str:
    rows = []
    for network in networks:
        parameters = ", ".join(f"{key} {value}" for key, value in network.parameters.items())
        licence = f"{network.licence} (`--accept-terms`)" if network.terms else network.licence
        rows.append(
            (
                f"`{network.name}`",
                network.task,
                network.title,
                parameters,
                outputs_in_words(network),
                licence,
                network.source.address or "your own training",
            )
        )
    header = ("network", "task", "what it is", "parameters", "output", "licence of the weights", "weights from")
    return markdown_table(header, rows, padded=False)


def _findings_table(findings: Iterable[VerificationFinding]) -> str:
    rows = []
    for finding in findings:
        figures = ", ".join(
            f"{measure} {value:.6g} (at least {finding.at_least[measure]:g})" for measure, value in finding.measured.items()
        )
        engines = [_engine(finding, target) for target in TARGETS]
        size = f"{finding.size / 1e6:.1f}" if finding.size else ""
        rows.append((f"`{finding.network}`", finding.precision, finding.weights, figures or "**refused**", size, *engines))
    return markdown_table(("network", "precision", "weights", "parity with PyTorch", "MB", *TARGETS), rows, padded=False)


def _engine(finding: VerificationFinding, target: str) -> str:
    build = finding.tensorrt.get(target)
    if build is None:
        return ""
    return "refused" if build.refused else f"{build.seconds:.0f} s, {build.size / 1e6:.0f} MB"


def _refused(findings: Sequence[VerificationFinding]) -> str:
    lines = [f"- `{each.network}` {each.precision}: {each.refused}" for each in findings if each.refused]
    for each in findings:
        for target, build in each.tensorrt.items():
            if build.refused:
                lines.append(f"- `{each.network}` {each.precision}, TensorRT-RTX {target}: {build.refused}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
