"""What the API says of compute sites, and how operators change them."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from accounts.serializers import Body
from jobs import registry
from jobs.models import ComputeSite, Queue

MOST = 2**31 - 1


class QueueSerializer(serializers.ModelSerializer):
    """A queue, and the largest job that it takes."""

    class Meta:
        model = Queue
        fields = ("name", "cores", "memory_mb", "nodes", "wall_seconds", "gpus", "mpi")
        read_only_fields = fields


class SiteSerializer(serializers.ModelSerializer):
    """A compute site and its health."""

    queues = QueueSerializer(many=True, read_only=True)
    healthy = serializers.BooleanField(
        read_only=True, help_text="It is on, answers, and not all its queues' canaries failed."
    )
    takes_jobs = serializers.BooleanField(read_only=True, help_text="Neither switched off nor being drained.")
    unfinished = serializers.IntegerField(read_only=True, help_text="Jobs there now.")
    tools = serializers.SerializerMethodField(help_text="What may run there.")

    class Meta:
        model = ComputeSite
        fields = (
            "name",
            "scheduler",
            "cores",
            "memory_mb",
            "queues",
            "enabled",
            "takes_jobs",
            "draining_since",
            "drain_reason",
            "open_to_all",
            "most_jobs",
            "most_jobs_each",
            "unfinished",
            "healthy",
            "error_rate",
            "last_answer_at",
            "last_problem",
            "last_problem_at",
            "tools",
        )
        read_only_fields = fields

    def get_tools(self, site: ComputeSite) -> list[str]:
        """Tools by name."""
        return [info.name for info in registry.tools() if site.has_tool(info.name)] if site.takes_jobs else []


@extend_schema_serializer(many=False)
class SitesSerializer(serializers.Serializer):
    """All compute sites."""

    results = SiteSerializer(many=True)


class CanarySerializer(serializers.Serializer):
    """The small job that tries a queue: how the last one ended, and whether one is under way."""

    queue = serializers.CharField(allow_blank=True, help_text="Empty: the usual one.")
    under_way = serializers.BooleanField()
    at = serializers.DateTimeField(allow_null=True, help_text="When the last one was sent.")
    word = serializers.CharField(allow_blank=True, help_text="The scheduler's, while one is under way.")
    problem = serializers.CharField(allow_blank=True, help_text="Why one that is under way may not be there.")
    ok = serializers.BooleanField(allow_null=True, help_text="Of the last that ended; null: not known.")
    words = serializers.CharField(allow_blank=True)
    hint = serializers.CharField(allow_blank=True, help_text="What to change.")
    seconds = serializers.FloatField(allow_null=True, help_text="What it took, with its time in the queue.")
    ended_at = serializers.DateTimeField(allow_null=True)


class SiteSettingsSerializer(SiteSerializer):
    """A compute site as operators see it. Secrets are named by file, never held."""

    installed = serializers.DictField(source="tools", read_only=True, help_text="Tools by name, `*` for all.")
    shares: Any = serializers.SlugRelatedField("name", many=True, read_only=True, help_text="Storage sites it sees.")
    people: Any = serializers.SlugRelatedField("username", many=True, read_only=True)
    groups: Any = serializers.PrimaryKeyRelatedField(many=True, read_only=True)
    settings = serializers.DictField(read_only=True)
    probe = serializers.DictField(read_only=True, help_text="{ok, checks: [{title, ok, words, hint}]}")
    canaries = CanarySerializer(source="queue_canaries", many=True, read_only=True, help_text="One for each queue.")

    class Meta(SiteSerializer.Meta):
        fields = (
            *SiteSerializer.Meta.fields, "settings", "work_root", "shares", "installed", "people", "groups", "probe",
            "probed_at", "canaries",
        )  # type: ignore[assignment]  # fmt: skip


class NewQueueSerializer(Body):
    """A queue of a site."""

    name = serializers.CharField(max_length=100, allow_blank=True, default="")
    cores = serializers.IntegerField(min_value=1, max_value=MOST)
    memory_mb = serializers.IntegerField(min_value=1, max_value=MOST)
    nodes = serializers.IntegerField(min_value=1, max_value=MOST, default=1)
    wall_seconds = serializers.IntegerField(min_value=1, max_value=MOST, default=None, allow_null=True)
    gpus = serializers.IntegerField(min_value=0, max_value=MOST, default=0)
    mpi = serializers.BooleanField(default=False)


class ChangeSiteSerializer(Body):
    """What is to be other; what is left out stays."""

    scheduler = serializers.CharField(max_length=30, required=False)
    cores = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    memory_mb = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    enabled = serializers.BooleanField(required=False)
    settings = serializers.DictField(required=False, help_text="Of the scheduler and the runner.")
    work_root = serializers.CharField(max_length=1000, allow_blank=True, required=False)
    shares = serializers.ListField(child=serializers.CharField(max_length=60), required=False, max_length=100)
    installed = serializers.DictField(source="tools", required=False, help_text="Tools by name, `*` for all.")
    most_jobs = serializers.IntegerField(min_value=1, max_value=MOST, allow_null=True, required=False)
    most_jobs_each = serializers.IntegerField(min_value=1, max_value=MOST, allow_null=True, required=False)
    open_to_all = serializers.BooleanField(required=False)
    people = serializers.ListField(child=serializers.CharField(max_length=150), required=False, max_length=1000)
    groups = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=1000)
    queues = NewQueueSerializer(many=True, required=False)


class NewSiteSerializer(ChangeSiteSerializer):
    """A compute site to add."""

    name = serializers.SlugField(max_length=60)


class DrainSerializer(Body):
    """Why a site is drained."""

    reason = serializers.CharField(max_length=300, allow_blank=True, default="")


class DrainPlanSerializer(serializers.Serializer):
    """What becomes of a drained site's jobs."""

    running = serializers.IntegerField(help_text="They stay until they end.")
    queued = serializers.IntegerField(help_text="They stay in the site's queue.")
    moves = serializers.DictField(child=serializers.IntegerField(), help_text="Sites that take over, with how many.")
    waits = serializers.IntegerField(help_text="No other site can run them: they wait until it opens again.")


class DifferenceSerializer(serializers.Serializer):
    """One thing on which database, scheduler and disk don't agree."""

    kind = serializers.CharField()
    site = serializers.CharField(allow_blank=True)
    about = serializers.CharField()
    database = serializers.CharField()
    scheduler = serializers.CharField()
    disk = serializers.CharField()
    words = serializers.CharField()
    repair = serializers.CharField(allow_blank=True, help_text="Empty: a person has to decide.")


class ReconciledSerializer(serializers.Serializer):
    """Where database, scheduler and disk differ, and what was mended."""

    differences = DifferenceSerializer(many=True)
    mended = DifferenceSerializer(many=True)
    problems = serializers.ListField(child=serializers.CharField(), help_text="What could not be asked or mended.")
