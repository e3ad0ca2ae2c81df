"""``replay``: files (or the captured log) in, decisions out, without broker and database."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ops.errors import FatalError
from ops.settings import Settings, load_settings, privacy_key
from schemas import topics
from streams.artifacts import MemoryArtifacts
from streams.cadence import engine_config
from streams.intake import InputStopped
from streams.intake_host import intake_of
from streams.learner import Learner
from streams.machine_code import load_machine_code
from streams.pipeline import Pipeline
from streams.runtime import wall_clock_ms
from streams.verify import replay_log
from tideline.console import progress, show
from tideline.sources import AdapterReport, estimate_total, open_sources

OUTPUT_FILES: dict[str, str] = {
    topics.ASSESSMENTS: "assessments.ndjson",
    topics.ALERTS: "alerts.ndjson",
    topics.LIMIT_CHANGES: "limit-changes.ndjson",
    topics.DEAD_LETTERS: "dead-letters.ndjson",
    topics.LEARNER_REPORTS: "learner-reports.ndjson",
}
REPLAY_KEY = b"tideline replay: no secret here."
"""Pseudonym key of a replay without a key file: equal runs give equal bytes."""


class OutputFolder:
    """The files that a replay writes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = {t: (folder / name).open("wb") for t, name in OUTPUT_FILES.items()}
        self.counts: Counter[str] = Counter()

    def emit(self, topic: str, value: bytes) -> None:
        """Append one output; model and policy versions are kept beside the decisions."""
        self.counts[topic] += 1
        file = self._files.get(topic)
        if file is not None:
            file.write(value + b"\n")
        elif topic == topics.MODELS:
            models = self._folder / "models"
            models.mkdir(exist_ok=True)
            version = msgspec.json.decode(value)["version"]
            (models / f"{version}.json").write_bytes(value)

    def close(self, summary: dict[str, Any]) -> None:
        """Close the files and write ``summary.json``."""
        for file in self._files.values():
            file.close()
        text = msgspec.json.format(msgspec.json.encode(summary, order="sorted"), indent=2)
        (self._folder / "summary.json").write_bytes(text + b"\n")


def replay(
    files: Annotated[list[str] | None, typer.Argument(help="event files, or -")] = None,
    out: Annotated[Path, typer.Option(help="folder for the outputs")] = Path("replay-out"),
    format: Annotated[str, typer.Option(help="events, or a data set's adapter")] = "events",
    partitions: Annotated[int | None, typer.Option(min=1, max=1024)] = None,
    learn: Annotated[bool, typer.Option("--learn/--no-learn")] = True,
    now: Annotated[int | None, typer.Option(help="clock for the future bound, epoch ms")] = None,
    from_log: Annotated[
        bool, typer.Option("--from-log", help="replay risk.events of Kafka instead of files")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="with --from-log: compare with what was written")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Run intake, scoring and learner in process. The same input gives the same bytes."""
    settings = load_settings()
    if from_log:
        _replay_log(settings, out, verify=verify, as_json=json)
        return
    if not files:
        raise typer.BadParameter("give event files, or --from-log")
    if partitions is not None:
        kafka = settings.kafka.model_copy(update={"partitions": partitions})
        settings = settings.model_copy(update={"kafka": kafka})
    summary = replay_files(
        settings, files, format, out, learn=learn, now_ms=now or wall_clock_ms(), quiet=json
    )
    show(summary, as_json=json, title=f"Replayed into {out}")


def replay_files(
    settings: Settings,
    files: list[str],
    format: str,
    out: Path,
    *,
    learn: bool,
    now_ms: int,
    quiet: bool,
) -> dict[str, Any]:
    """Replay files into a folder and return the summary."""
    key = privacy_key(settings) if settings.privacy.key_file else REPLAY_KEY
    artifacts = MemoryArtifacts()
    intake = intake_of(settings, key, artifacts)
    folder = OutputFolder(out)
    learner = Learner() if learn else None
    load_machine_code()
    pipeline = Pipeline(
        intake, artifacts, folder.emit, learner=learner, config=engine_config(settings)
    )
    paths = [path if path == "-" else Path(path) for path in files]
    report = AdapterReport()
    started = time.monotonic()
    lines = 0
    with progress(quiet) as display:
        task = display.add_task("replaying", total=estimate_total(paths, format))
        try:
            for record in open_sources(paths, format, report):
                pipeline.feed(record.source, record.line, record.value, now_ms)
                lines += 1
                if lines % 1000 == 0:
                    display.update(task, completed=lines)
        except InputStopped as stopped:
            raise FatalError(
                f"{stopped}; mend the input, or raise TIDELINE_INTAKE__DEAD_LETTER_SHARE_MAX "
                "and TIDELINE_INTAKE__DEAD_LETTER_RUN_MAX"
            ) from None
        pipeline.finish(now_ms)
        display.update(task, completed=lines, total=lines)
    summary = _summary(pipeline, folder, intake.accepted, intake.dead_letters, lines)
    if format != "events":
        summary["adapter"] = report.summary()
    if learner is not None:
        summary["learner"] = msgspec.to_builtins(learner.counters) | {
            "anomaly_learned": learner.anomaly.learned,
            "anomaly_published": learner.anomaly.versions,
        }
    folder.close(summary)
    seconds = time.monotonic() - started
    return {**summary, "seconds": round(seconds, 3), "events_per_s": round(lines / seconds)}


def _summary(
    pipeline: Pipeline,
    folder: OutputFolder,
    accepted: int,
    dead_letters: dict[str, int],
    lines: int,
) -> dict[str, Any]:
    """Counts of what happened; no clock in it, so that equal runs have equal summaries."""
    stats: Counter[str] = Counter()
    for scoring in pipeline.scoring:
        stats.update(scoring.stats)
        stats.update(scoring.engine.counters)
    return {
        "input_lines": lines,
        "accepted": accepted,
        "dead_letters": dict(sorted(dead_letters.items())),
        "outputs": dict(sorted(folder.counts.items())),
        "merchants": sum(len(s.engine.index) for s in pipeline.scoring),
        "partitions": len(pipeline.scoring),
        "scoring": dict(sorted(stats.items())),
        "digests": [s.digest for s in pipeline.scoring],
    }


def _replay_log(settings: Settings, out: Path, *, verify: bool, as_json: bool) -> None:
    folder = OutputFolder(out)
    reports = []
    with progress(as_json) as display:
        task = display.add_task("replaying the log", total=settings.kafka.partitions)
        for report in replay_log(settings, folder.emit, compare=verify):
            reports.append(report)
            display.advance(task)
    equal = all(report.equal for report in reports)
    summary = {
        "partitions": [msgspec.to_builtins(r) for r in reports],
        "outputs": dict(sorted(folder.counts.items())),
        "equal": equal,
    }
    folder.close(summary)
    show(summary, as_json=as_json, title=f"Replayed the log into {out}")
    if not equal:
        raise FatalError("the replay differs from what was written; see `partitions`")
