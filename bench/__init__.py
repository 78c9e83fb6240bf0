"""Benchmarks that print ratios: numerator and denominator from the same run, on this machine (bench/README.md).

    measure      what a measurement is; clocks and counters of this machine
    table        how measurements are shown: for people, as Markdown, as JSON
    bare         denominators: bare signature checks, bare commits
    parties      the parties of an agreement, enrolled and founded, and their real processes
    statements   attestations of the usual size
    history      a verifier's store with a real history of any length
    b1_ingest .. b8_offline     one module per benchmark, listed in `__main__`

The only place that may import a GPL peer (pymerkle), and only to measure against it.
"""
