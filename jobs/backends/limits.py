"""What a site has at most, for schedulers that would let a job wait for ever that can never start."""

from dataclasses import dataclass

from jobs.backends.base import JobRejected, JobSpec


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Cores and memory that one job may have."""

    cores: int
    memory_mb: int

    def check(self, spec: JobSpec) -> None:
        """The job may fit; JobRejected says what is too much."""
        if spec.cores * spec.tasks > self.cores:
            raise JobRejected(
                f"The job asks for {spec.cores * spec.tasks} cores; this site has {self.cores}.",
                hint="Ask for fewer cores.",
            )
        if spec.memory_mb > self.memory_mb:
            raise JobRejected(
                f"The job asks for {spec.memory_mb} MB of memory; this site has {self.memory_mb} MB.",
                hint="Ask for less, or choose a larger site.",
            )
