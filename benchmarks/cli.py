"""The `bench` command: runs one benchmark, or lists them."""

from __future__ import annotations

import importlib

import click

BENCHMARKS = {
    "study": "judgments per second over real HTTP, beside oTree and Potato",
    "install": "seconds and megabytes from an empty home to raters over TLS, beside the peers",
    "chaos": "10,000 answers while connections break and processes are killed: none is lost",
    "watched": "answers and images while a dashboard is open, an export runs, clients are slow",
    "dashboard": "a refresh of the dashboard with 100,000 judgments",
    "metrics": "features, distances, SSIM and PSNR beside torch-fidelity and scikit-image; "
    "`metrics device`: networks and scores on one device beside four peers",
    "sampling": "network evaluations per second beside diffusers' UNet2DModel",
    "ablation": "one setting of a training changed at a time: blur, L1, class, batch, flips",
    "coverage": "coverage of the intervals, false positives of the comparisons, peeking",
    "fool_rates": "1,000,000 judgments, beside a straightforward bootstrap",
    "large_import": "an import of 1,000,000 answers, beside pandas without the checks",
}

MODULES = {
    "study": "benchmarks.study.site",
    "install": "benchmarks.install.table",
    "dashboard": "benchmarks.study.dashboard",
    "chaos": "benchmarks.study.chaos",
    "watched": "benchmarks.study.watched",
    "metrics": "benchmarks.metrics.micro",
}


# Options after NAME are the benchmark's own, its --help as well.
@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", required=False, type=click.Choice(list(BENCHMARKS)))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def bench(name: str | None, options: tuple[str, ...]) -> None:
    """Measure one part of foolrate beside other software.

    Without a NAME, the command lists the parts.

    \b
    Example: python manage.py bench coverage
    """
    if name is None:
        for each, what in BENCHMARKS.items():
            click.echo(f"{each:13} {what}")
        return
    importlib.import_module(MODULES.get(name, f"benchmarks.{name}")).main(list(options))
