"""What the API says about tools, sites and jobs, and how it reads what is sent."""

from dataclasses import asdict

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.serializers import Body, PersonSerializer
from jobs.cwl.scatter import MOST_ELEMENTS
from jobs.models import Element, Job, JobEvent, Result
from jobs.repairs import Action, class_of, repairs_of
from jobs.services.access import Running
from jobs.states import ElementState, JobState
from projects.roles import Role
from projects.services.rules import PURPOSE_LENGTH
from storage.models import Import, TransferLink, Upload

LARGEST_LOG_PIECE = 1024 * 1024


class ToolSerializer(serializers.Serializer):
    """A tool that can be run."""

    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField(allow_blank=True)
    software = serializers.DictField(
        child=serializers.CharField(), help_text="What the tool is known to work with, each with its version."
    )
    digest = serializers.CharField(help_text="SHA-256 over the tool's folder.")


class ToolDetailSerializer(ToolSerializer):
    """A tool with what it takes."""

    schema = serializers.DictField(help_text="JSON Schema 2020-12 of `inputs`.")
    sample = serializers.DictField(source="form.sample", help_text="Inputs that run on the files of a sample project.")


@extend_schema_serializer(many=False)
class ToolsSerializer(serializers.Serializer):
    """All tools, in the order of their cards."""

    results = ToolSerializer(many=True)


class RepairSerializer(serializers.Serializer):
    """One thing that can be done about a job that failed."""

    action = serializers.CharField()
    title = serializers.CharField()
    words = serializers.CharField(help_text="What it does to this job, of one job also where it would go and why.")
    possible = serializers.BooleanField(help_text="False when no site can do it now; `words` say why.")


class JobSerializer(serializers.ModelSerializer):
    """A job: what was asked for, where it stands, and why."""

    project = serializers.UUIDField(source="project_id", read_only=True)
    site = serializers.CharField(source="site.name", read_only=True)
    state = serializers.ChoiceField(choices=JobState.choices, read_only=True)
    state_label = serializers.CharField(source="get_state_display", read_only=True)
    final = serializers.BooleanField(source="job_state.final", read_only=True)
    submitted_by = serializers.CharField(source="submitted_by.username", read_only=True, allow_null=True, default=None)
    rerun_of = serializers.UUIDField(source="rerun_of_id", read_only=True, allow_null=True)
    folder = serializers.CharField(source="folder_path", read_only=True, help_text="Its path in the project's folder.")
    inputs = serializers.DictField(read_only=True)
    failure = serializers.DictField(read_only=True, help_text="{code, message, hint, input} of a job that failed.")
    progress = serializers.DictField(read_only=True, help_text="{done, total, text} as the tool says.")
    repairs = serializers.SerializerMethodField(help_text="What can be done about a job that failed, for `repair/`.")
    choice = serializers.ListField(child=serializers.DictField(), read_only=True, help_text="Why there, as in a plan.")

    class Meta:
        model = Job
        fields = (
            "id",
            "project",
            "number",
            "tool",
            "title",
            "state",
            "state_label",
            "final",
            "reason",
            "failure",
            "repairs",
            "progress",
            "inputs",
            "site",
            "queue",
            "cores",
            "memory_mb",
            "tasks",
            "gpus",
            "wall_seconds",
            "elements",
            "choice",
            "folder",
            "submitted_by",
            "rerun_of",
            "created_at",
            "started_at",
            "finished_at",
            "touched_at",
        )
        read_only_fields = fields

    @extend_schema_field(RepairSerializer(many=True))
    def get_repairs(self, job: Job) -> list[dict[str, object]]:
        """The likeliest help first."""
        if "repairs" in self.context:
            return [asdict(one) for one in self.context["repairs"]]
        if job.job_state is not JobState.FAILED:
            return []
        return [
            asdict(one) for one in repairs_of(job, max(job.attempts.all(), key=lambda one: one.number, default=None))
        ]


class RepairJobSerializer(Body):
    """What to do about a job that failed."""

    action = serializers.ChoiceField(choices=[(one.value, one.value) for one in Action])
    site = serializers.CharField(max_length=60, default=None, allow_null=True, help_text="For `other_site`.")


class NewJobSerializer(Body):
    """A job to submit."""

    tool = serializers.CharField(max_length=60)
    inputs = serializers.DictField(help_text="By the tool's JSON Schema (`tools/{name}/`).")
    title = serializers.CharField(max_length=200, default="", allow_blank=True)
    site = serializers.CharField(max_length=60, default=None, allow_null=True, help_text="Left out: chosen for you.")
    cores = serializers.IntegerField(min_value=1, max_value=4096, default=None, allow_null=True)
    memory_mb = serializers.IntegerField(min_value=1, max_value=2**31 - 1, default=None, allow_null=True)
    queue = serializers.CharField(max_length=100, default=None, allow_null=True, help_text="Of the site.")
    wall_seconds = serializers.IntegerField(min_value=1, max_value=2**31 - 1, default=None, allow_null=True)


class WeighedSerializer(serializers.Serializer):
    """A queue of a site, and what speaks for or against it."""

    site = serializers.CharField()
    queue = serializers.CharField(allow_blank=True)
    chosen = serializers.BooleanField()
    possible = serializers.BooleanField()
    words = serializers.CharField(allow_blank=True)


class PlanSerializer(serializers.Serializer):
    """What a submission would do; nothing was made."""

    tool = serializers.CharField()
    site = serializers.CharField()
    queue = serializers.CharField(allow_blank=True)
    cores = serializers.IntegerField()
    memory_mb = serializers.IntegerField()
    tasks = serializers.IntegerField(help_text="MPI processes.")
    gpus = serializers.IntegerField(help_text="On each node.")
    wall_seconds = serializers.IntegerField(allow_null=True)
    elements = serializers.IntegerField(help_text="Of an array; the resources are of each. 0: it runs in one piece.")
    weighed = WeighedSerializer(many=True, help_text="Every queue of every site.")
    inputs = serializers.DictField(source="job_order", help_text="With patterns resolved and defaults filled in.")
    command = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why there, in words.")
    files = serializers.IntegerField(help_text="How many input files.")
    bytes = serializers.IntegerField(help_text="Their size together.")
    expected_seconds = serializers.FloatField(allow_null=True, help_text="By the tool's past jobs.")


class RerunSerializer(Body):
    """What is to be other than in the job that is run again; null takes an input away."""

    changes = serializers.DictField(default=dict, help_text="Inputs by name.")


class JobsQuerySerializer(serializers.Serializer):
    """Which jobs."""

    state = serializers.ChoiceField(choices=JobState.choices, required=False)
    tool = serializers.CharField(max_length=60, required=False)


class EventSerializer(serializers.ModelSerializer):
    """One change of a job's state."""

    actor = serializers.CharField(source="actor.username", read_only=True, allow_null=True, default=None)

    class Meta:
        model = JobEvent
        fields = ("id", "at", "from_state", "to_state", "reason", "actor")
        read_only_fields = fields


class ResultSerializer(serializers.ModelSerializer):
    """An output file; ``url`` downloads it."""

    url = serializers.SerializerMethodField(help_text="Where its bytes are.")

    class Meta:
        model = Result
        fields = ("id", "output", "position", "title", "path", "viewer", "format", "size", "sha256", "url")
        read_only_fields = fields

    def get_url(self, result: Result) -> str:
        """The address of the file's content."""
        return str(self.context["content_url"](result.path))


@extend_schema_serializer(many=False)
class OutputsSerializer(serializers.Serializer):
    """A job's outputs in their order."""

    results = ResultSerializer(many=True)


class ElementSerializer(serializers.ModelSerializer):
    """The newest try of one element of a job."""

    number = serializers.IntegerField(read_only=True, help_text="From 1 on, in the order of the files.")
    attempt = serializers.IntegerField(source="attempt.number", read_only=True)
    retry = serializers.IntegerField(read_only=True, help_text="How often it was tried again beside the others.")
    state = serializers.ChoiceField(choices=ElementState.choices, read_only=True)
    word = serializers.CharField(source="last_word", read_only=True, help_text="The scheduler's own, as last heard.")
    failure = serializers.DictField(read_only=True, help_text="{code, message, hint, input} of one that failed.")
    failure_class = serializers.SerializerMethodField(help_text="Whose fault it is; empty for one that did not fail.")

    class Meta:
        model = Element
        fields = ("number", "state", "attempt", "retry", "native_id", "word", "exit_code", "signal", "failure",
                  "failure_class", "began_at", "ended_at")  # fmt: skip
        read_only_fields = fields

    def get_failure_class(self, element: Element) -> str:
        """By the failure's code."""
        return class_of(element).value if element.failure else ""


@extend_schema_serializer(many=False)
class ElementsSerializer(serializers.Serializer):
    """All elements of a job, in order."""

    results = ElementSerializer(many=True)


class LogQuerySerializer(serializers.Serializer):
    """Which piece of which log."""

    element = serializers.IntegerField(
        min_value=1, max_value=MOST_ELEMENTS, default=None, allow_null=True, help_text="That element's own log."
    )

    stream = serializers.ChoiceField(choices=["stdout", "stderr"], default="stdout")
    offset = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=LARGEST_LOG_PIECE, default=65536)


class LogSerializer(serializers.Serializer):
    """A piece of a log. Ask again from ``next_offset`` until ``complete``."""

    text = serializers.CharField(allow_blank=True)
    next_offset = serializers.IntegerField()
    complete = serializers.BooleanField(help_text="Nothing more will come.")


class ChangeSerializer(serializers.Serializer):
    """One input that differs between two jobs."""

    path = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class HowSerializer(serializers.Serializer):
    """How a job was made: its command, and what is other than in the job it runs again."""

    command = serializers.CharField(allow_blank=True)
    tool = serializers.CharField()
    tool_digest = serializers.CharField()
    inputs = serializers.DictField(help_text="With patterns resolved and defaults filled in.")
    changes = ChangeSerializer(many=True)


class RunningQuerySerializer(serializers.Serializer):
    """What becomes of running jobs."""

    running = serializers.ChoiceField(choices=Running.choices, default=Running.FINISH)


class RemovalQuerySerializer(RunningQuerySerializer):
    """How, and why, access is taken away."""

    why = serializers.CharField(default="", allow_blank=True, max_length=PURPOSE_LENGTH, help_text="For the trail.")


class EndingJobSerializer(serializers.ModelSerializer):
    """A job that runs."""

    state = serializers.ChoiceField(choices=JobState.choices, read_only=True)
    submitted_by = PersonSerializer(read_only=True)

    class Meta:
        model = Job
        fields = ("id", "number", "tool", "title", "state", "submitted_by")
        read_only_fields = fields


class EndingUploadSerializer(serializers.ModelSerializer):
    """An upload that is open."""

    created_by = PersonSerializer(read_only=True)

    class Meta:
        model = Upload
        fields = ("id", "path", "size", "created_by")
        read_only_fields = fields


class EndingImportSerializer(serializers.ModelSerializer):
    """An import that is not over."""

    created_by = PersonSerializer(read_only=True)

    class Meta:
        model = Import
        fields = ("id", "source", "target", "state", "created_by")
        read_only_fields = fields


class EndingLinkSerializer(serializers.ModelSerializer):
    """A transfer link that is live."""

    created_by = PersonSerializer(read_only=True)

    class Meta:
        model = TransferLink
        fields = ("id", "path", "label", "expires_at", "created_by")
        read_only_fields = fields


class WeakerSerializer(serializers.Serializer):
    """Somebody who keeps a weaker role for another reason."""

    user = PersonSerializer(read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, read_only=True)


class EndingSerializer(serializers.Serializer):
    """What taking access away would do now."""

    losing = PersonSerializer(many=True, read_only=True, help_text="Who would have no role any more.")
    weaker = WeakerSerializer(many=True, read_only=True)
    kept = serializers.IntegerField(read_only=True, help_text="How many keep their role for another reason.")
    jobs = EndingJobSerializer(many=True, read_only=True, help_text="Of people who could run nothing any more.")
    uploads = EndingUploadSerializer(many=True, read_only=True, help_text="These would stop.")
    imports = EndingImportSerializer(many=True, read_only=True, help_text="These would stop.")
    links = EndingLinkSerializer(many=True, read_only=True, help_text="These would be refused.")
