"""docs/performance.md from the figures."""

from typing import Any

Figures = dict[str, Any]


def page(results: Figures) -> str:
    """The page; a measurement that was not made is left out."""
    machine = results["machine"]
    lines = [
        "# Performance",
        "",
        "Written by `make bench`; the figures are in `bench/results.json`. "
        "The sides of each figure come from one run on one machine "
        f"({machine['cores']} cores, {machine['memory_gb']:.0f} GB): trust the ratios, not the seconds.",
        "",
    ]
    for name, section in SECTIONS.items():
        if name in results:
            lines += [*section(results[name]), "", f"Measured on {results['days'][name]}.", ""]
    return "\n".join(lines)


def _overhead(found: Figures) -> list[str]:
    noop, real = found["noop"], found["resolution_map"]
    return [
        "## What the gateway adds to a job",
        "",
        "From submitting by REST to the answer that shows the job succeeded with its results; the site is polled",
        "every second.",
        "",
        "| job | bare command | through the gateway | |",
        "|---|---|---|---|",
        f"| does nothing | {noop['bare_s']:.3f} s | {noop['gateway_s']:.2f} s | + {noop['added_s']:.2f} s |",
        f"| resolution map | {real['bare_s']:.1f} s | {real['gateway_s']:.1f} s | × {real['ratio']:.2f} |",
    ]


def _throughput(found: Figures) -> list[str]:
    rates = found["jobs_per_minute"]
    return [
        "## Jobs per minute",
        "",
        f"Through all states, jobs that do nothing: {rates['1']:.0f} with one worker process, {rates['2']:.0f} with "
        f"two (× {found['ratio']:.2f}).",
    ]


def _scatter(found: Figures) -> list[str]:
    if "sizes" not in found:  # figures of one size only, from before there were two
        return []
    rows = [
        f"| {name} | {one['frames']} of {one['side']}² | {one['s']['relion']:.1f} s | {one['s']['portolan']:.1f} s "
        f"| × {one['ratio']:.2f} |"
        for name, one in found["sizes"].items()
    ]
    elements = next(iter(found["sizes"].values()))["elements"]
    return [
        f"## Movie alignment of {found['movies']} movies on {found['workers']} workers",
        "",
        "By REST from submitting to visible results, for which the job is asked once a second, split into "
        f"{elements} elements and merged, against `mpirun -n {found['workers']} relion_run_motioncorr_mpi` with the "
        f"same movies and parameters on the same cores; the best of {found['rounds']}. All else of Portolan runs on "
        "these cores as well.",
        "",
        "| | frames | RELION | through the gateway | |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "Ours makes averages and power spectra from before the alignment besides, which reads each movie once more, "
        "and pictures, charts, checksums and a crate. What is the same for every job, such as the start of each "
        "element and of the merge, weighs on movies that take RELION half a second.",
    ]


def _clusters(found: Figures) -> list[str]:
    rows = [
        f"| {name} | {one['jobs']:,} | {one['s']:.1f} s | {one['per_minute']:.0f} | × {one['times_loop']:.2f} |"
        for name, one in found["ways"].items()
    ]
    late = found["seen_after_s"]
    return [
        "## Many short jobs on Slurm",
        "",
        f"Jobs that wait {found['job_s']} s, on a Slurm with {found['slots']} slots that runs on the same cores as "
        "everything else. By Portolan: submitted by REST one after the other, until the answer that shows all "
        "succeeded, with results, checksums and crates, on PostgreSQL. The others end when the last job has left the "
        "queue or is known to be done. The numbers of jobs differ, so the last column compares times for each job; of "
        "an array it is the time for each element, the merge of their results included.",
        "",
        "| way | jobs or elements | time | jobs a minute | time for a job against the loop |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"From the end of a job's command until REST no longer says that it runs: median {late['median']:.2f} s, "
        f"95th percentile {late['p95']:.2f} s ({late['changes']} jobs).",
        "",
        *_watching(found["watching"]),
        "",
        *_copies(found["copies"]),
    ]


def _watching(found: Figures) -> list[str]:
    few, many = found["found"][str(found["few"])], found["found"][str(found["many"])]
    return [
        "## Watching many jobs",
        "",
        f"Calls of the scheduler's commands are {'' if found['equal'] else 'NOT '}equal; the scheduler is a script.",
        "",
        "| active jobs | calls a minute | seconds of a core a minute |",
        "|---|---|---|",
        f"| {found['few']:,} | {few['calls']:.0f} | {few['cpu_s']:.1f} |",
        f"| {found['many']:,} | {many['calls']:.0f} | {many['cpu_s']:.1f} |",
    ]


def _copies(found: Figures) -> list[str]:
    names = {"large": f"{found['mb']:,} MiB in one file", "many": f"{found['files']:,} files of 4 KiB"}
    rows = [
        f"| {names[name]} | {one['rsync_s']:.1f} s | {one['staged_s']:.1f} s | × {one['ratio']:.2f} |"
        for name, one in found["found"].items()
    ]
    return [
        "## Copies to a site behind SSH",
        "",
        f"The median of {found['rounds']} rounds, in turns. Portolan reads its copies once more on the site and "
        "compares their SHA-256 with what was noted when they came in (small files are read here, too). Both ends "
        "share the machine's cores.",
        "",
        "| | bare rsync | staged and verified | |",
        "|---|---|---|---|",
        *rows,
        "",
        f"The copies were measured on {found['day']}.",
    ]


def _queries(found: Figures) -> list[str]:
    rows = [f"| {name} | {counts['10']} | {counts['10000']} |" for name, counts in found["pages"].items()]
    word = "Equal on every page." if found["equal"] else "NOT equal on every page."
    head = ["| page | with 10 jobs | with 10,000 jobs |", "|---|---|---|"]
    return ["## SQL queries of a page", "", word, "", *head, *rows]


def _listing(found: Figures) -> list[str]:
    taken = found["first_page_s"]
    return [
        "## The first page of a folder",
        "",
        f"{taken['100'] * 1000:.1f} ms with 100 files, {taken['100000'] * 1000:.1f} ms with 100,000 "
        f"(× {found['ratio']:.2f}).",
    ]


def _unquiet(found: Figures) -> list[str]:
    """A warning where others used the machine meanwhile, or where the rounds tell of it."""
    if found["load"] < 1 and found["spread"] < 2:
        return []
    words = (
        f"**The machine was not quiet (load {found['load']:.1f} before the start): rounds of one way differed by "
        f"up to a factor of {found['spread']:.1f}, so small differences prove no order. Measure again on a quiet one.**"
    )
    return [words, ""]


def _upload(found: Figures) -> list[str]:
    taken, peaks, busy = found["seconds"], found["peak_mb"], found.get("busy", {})
    nginx, reference = taken["nginx PUT"], taken["@tus/server (Node)"]
    rows = [
        f"| {name} | {seconds:.2f} | {nginx / seconds:.2f} | {reference / seconds:.2f} | "
        f"{f'{busy[name]:.2f}' if name in busy else ''} | {f'{peaks[name]:.0f} MB' if name in peaks else ''} |"
        for name, seconds in taken.items()
    ]
    return [
        f"## Upload of {found['bytes'] / 2**30:g} GiB",
        "",
        f"The median of {found.get('rounds', 3)} rounds, all ways in turn, with one client that sends from memory by "
        "`sendfile`; tus in pieces of 64 MiB. Speeds are against nginx's own PUT and the reference server of the "
        "protocol. The door alone computes the SHA-256 of every byte and, where nothing else is said, has it on the "
        "disk (`fdatasync`) before it acknowledges; nginx, rclone, the reference server and `cp` leave that to the "
        "kernel, so their times end before their bytes are safe. Client and server share the machine's cores.",
        "",
        *_of_which(found, busy),
        *_unquiet(found),
        "| way | seconds | speed against nginx | against the reference | server's processor seconds | highest memory "
        "of a process |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _of_which(found: Figures, busy: dict[str, float]) -> list[str]:
    """What the door's promises cost, where it was measured."""
    if "hashing" not in found or "door, one stream" not in busy:
        return []
    taken = found["seconds"]
    words = (
        f"Of the {busy['door, one stream']:.2f} processor seconds of the door with one stream, SHA-256 takes "
        f"{found['hashing']:.2f} (measured by itself). With every byte on the disk before it is acknowledged, the file "
        f"took {taken['door, one stream']:.2f} s, and {taken['door, one stream, UPLOAD_DURABILITY=door']:.2f} s where "
        "that is left to the kernel (`UPLOAD_DURABILITY=door`). What the kernel's own threads do for a server, such as "
        "writing to the disk later, is in nobody's processor seconds."
    )
    return [words, ""]


def _identity(found: Figures) -> list[str]:
    rows = [f"| {name} | {rate:.0f} | × {found['ratio'][name]:.2f} |" for name, rate in found["per_second"].items()]
    told = [
        f"{name}: {sum(calls.values())} ({', '.join(f'{count} {what}' for what, count in sorted(calls.items()))})"
        for name, calls in found["provider_calls"].items()
    ]
    return [
        "## Who asks",
        "",
        "`GET /api/v1/me/`, one request after the other on one connection, the four in turns.",
        "",
        "| by | requests a second | |",
        "|---|---|---|",
        *rows,
        "",
        f"Questions to the provider in {found['requests']:,} requests with one token, which took {found['s']:.0f} s: "
        f"{'; '.join(told)}. Its word on a token is kept for 120 s.",
    ]


def _links(found: Figures) -> list[str]:
    fetched, small, used = found["download_s"], found["small_s"], found["small_cpu_s"]
    return [
        "## Transfer links",
        "",
        f"The highest memory of the door was {found['door_peak_mb']:.0f} MB.",
        "",
        "| | by link | other | ratio of speeds |",
        "|---|---|---|---|",
        f"| download of {found['bytes'] / 2**30:.1f} GiB by curl; nginx static | {fetched['by link']:.2f} s "
        f"| {fetched['nginx']:.2f} s | {fetched['nginx'] / fetched['by link']:.2f} |",
        f"| {found['files']:,} small files by rclone; `rclone serve webdav` | {small['by link']:.1f} s "
        f"| {small['rclone serve webdav']:.1f} s | {small['rclone serve webdav'] / small['by link']:.2f} |",
        "",
        "rclone itself asks a WebDAV server at most 100 times a second, three to four times for each small file. The "
        f"servers' own work for one file: {1000 * used['by link'] / found['files']:.1f} ms of a core by link (it is "
        "checked against the quota, synced to the disk and has its SHA-256), "
        f"{1000 * used['rclone serve webdav'] / found['files']:.1f} ms by `rclone serve webdav` (none of these).",
    ]


def _removal(found: Figures) -> list[str]:
    rows = [
        f"| {name} | {one['most_ms']:.0f} ms | {one['times']} |"
        for name, one in sorted(found.items(), key=lambda x: x[0])
    ]
    return [
        "## From “remove” to the last request let in",
        "",
        "A member asks as fast as possible on each way while an owner removes them. The latest start of a request that "
        "was still let in, after the answer to the removal; 0 ms: none.",
        "",
        "| way | latest | removals |",
        "|---|---|---|",
        *rows,
    ]


def _demo(found: Figures) -> list[str]:
    return [
        "## make demo ONCE=1",
        "",
        f"From a fresh clone, with the Debian packages installed: {found['first_s']:.0f} s at the first time "
        f"(environment, assets, sample data, three jobs), {found['second_s']:.0f} s at the second (the three results "
        "are found again).",
    ]


SECTIONS = {
    "overhead": _overhead,
    "throughput": _throughput,
    "scatter": _scatter,
    "clusters": _clusters,
    "queries": _queries,
    "listing": _listing,
    "upload": _upload,
    "links": _links,
    "identity": _identity,
    "removal": _removal,
    "demo": _demo,
}
