"""``edgetwin compress``: a file of samples, by the codec that boards have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import progress_bar, say, show_result
from edgetwin.cli.options import AsJson
from edgetwin.errors import UserError

if TYPE_CHECKING:
    from edgetwin.deploy.bundle import DictionaryBundle
    from edgetwin.deploy.sample_files import SampleFile

_LABELS = {
    "windows": "windows",
    "m": "samples a window (m)",
    "bytes_in": "bytes in",
    "bytes_out": "bytes out",
    "dictionary_bytes": "of these the dictionary",
    "ratio": "compression, in / out",
    "ratio_without_dictionary": "compression without the dictionary",
    "bits_per_sample": "bits a sample",
    "nrmse": "NRMSE of what comes back",
    "kinds": "windows by kind",
    "dictionary": "dictionary",
}
_DEFAULT_NRMSE = 0.05


def compress(
    file: Annotated[
        Path,
        typer.Argument(
            help=".npy, .npz, .csv, .tsv, .parquet or .ts; rows are samples in time. An .npy may be larger than memory."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Compressed file to write, e.g. sensor.etc.")],
    dictionary: Annotated[
        Path | None,
        typer.Option(
            "--dictionary", "-d", help="Bundle from edgetwin learn; if not given, one is learned from the file."
        ),
    ] = None,
    without_dictionary: Annotated[
        bool,
        typer.Option("--without-dictionary", help="Leave the --dictionary out of the file; decompress will need it."),
    ] = False,
    target_nrmse: Annotated[
        float | None,
        typer.Option(help=f"Error to reach, a share of the deviation; {_DEFAULT_NRMSE} if nothing else is asked."),
    ] = None,
    target_bits: Annotated[float | None, typer.Option(help="Mean bits a window to reach, instead.")] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Give integers (within ±2^23) back as they are.")
    ] = False,
    codec: Annotated[str, typer.Option(help="auto: each window the best way; sparse, dct, dpcm.")] = "auto",
    window: Annotated[
        int | None, typer.Option(min=1, help="Rows of the file that make one window; as many as give 64 samples.")
    ] = None,
    rows_are_signals: Annotated[
        bool, typer.Option("--rows-are-signals", help="Each row is a whole window of one channel.")
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, max=255, help="Windows of a block: a damaged byte costs those of one block.")
    ] = 64,
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads to learn with; one a core if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compress a file of samples to a given error, a given rate, or without loss.

    Learns a dictionary from the file first, unless there is one: the more of it there is, the less a dictionary in it
    counts. A window with NaN or infinity, and the rows that do not fill a window, are kept as they are.

    Example: edgetwin compress sensor.npy -o sensor.etc --target-nrmse 0.05
    """
    from edgetwin.deploy.bundle import DictionaryBundle
    from edgetwin.deploy.compress import compress as compress_samples
    from edgetwin.deploy.compress import is_lossless
    from edgetwin.deploy.learning import LearningPlan
    from edgetwin.deploy.sample_files import check_distinct, open_samples

    check_distinct(file, output)
    if lossless and (target_nrmse is not None or target_bits is not None or codec not in ("auto", "dpcm")):
        raise UserError("--lossless has no error to reach and one codec: give it without the others")
    if codec not in ("auto", "sparse", "dct", "dpcm"):
        raise UserError(f"no codec {codec!r}: give auto, sparse, dct, dpcm, or --lossless")
    if target_nrmse is not None and not 0 < target_nrmse < 1:
        raise UserError(f"--target-nrmse {target_nrmse:g} must lie between 0 and 1, e.g. 0.1")
    source = open_samples(file, integers=lossless)
    bundle: DictionaryBundle | None
    if dictionary is not None:
        if target_nrmse is not None or target_bits is not None or codec != "auto" or window is not None:
            raise UserError(
                "a dictionary has its window, codec and error: give those to edgetwin learn, or no --dictionary"
            )
        check_distinct(dictionary, output)
        bundle = DictionaryBundle.load(dictionary)
        if lossless and not is_lossless(bundle):
            raise UserError(f"{dictionary}: its codec is not lossless: make one with edgetwin learn --codec lossless")
    else:
        if without_dictionary:
            raise UserError("--without-dictionary needs a --dictionary to lie beside: make one with edgetwin learn")
        if target_nrmse is None and target_bits is None and not lossless:
            target_nrmse = _DEFAULT_NRMSE
        plan = LearningPlan(
            window=window,
            target_nrmse=target_nrmse,
            target_bits=target_bits,
            codec="lossless" if lossless else codec,
            batch=batch,
            rows_are_signals=rows_are_signals,
            n_jobs=-1 if jobs is None else jobs,
        )
        bundle = _learned(source, plan)
    with progress_bar() as bar:
        rows = 1 if bundle is None else max(1, bundle.m // source.columns)
        task = bar.add_task("compressing", total=len(source.array) // rows)
        done = compress_samples(
            source,
            bundle,
            output,
            batch=batch,
            lossless=lossless,
            inside=not without_dictionary,
            progress=lambda windows: bar.update(task, advance=windows),
        )
    result: dict[str, Any] = {
        "windows": done.windows,
        "m": bundle.m if bundle is not None else 0,
        "bytes_in": done.bytes_in,
        "bytes_out": done.bytes_out,
        "dictionary_bytes": done.dictionary_bytes,
        "ratio": done.ratio,
        "ratio_without_dictionary": done.ratio_without_dictionary,
        "bits_per_sample": done.bits_per_sample,
        "nrmse": done.nrmse,
        "kinds": done.kinds
        if as_json
        else ", ".join(f"{k} {100 * v:.3g} %" for k, v in done.kinds.items() if v) or None,
        "dictionary": None if bundle is None else f"{bundle.id:016x}",
    }
    show_result(f"{output}", result, _LABELS, as_json=as_json)
    if target_nrmse is not None and done.nrmse > target_nrmse:
        say(f"NRMSE {done.nrmse:.4g} is above {target_nrmse:g}, the aim for a part of the file: ask for a lower one")


def _learned(source: SampleFile, plan: Any) -> DictionaryBundle | None:
    """A dictionary for the file, with a bar while it is learned."""
    from edgetwin.deploy.compress import learn_for

    with progress_bar() as bar:
        task = bar.add_task("learning", total=plan.max_iter)
        bundle = learn_for(
            source,
            plan,
            lambda iteration: bar.update(
                task, completed=iteration.number, description=f"learning, error {iteration.errors[-1]:.4g}"
            ),
        )
        bar.update(task, completed=plan.max_iter)
    return bundle
