"""CWL v1.2 ``CommandLineTool`` without JavaScript: from a tool file and values to argv, and back to typed outputs."""

from jobs.cwl.command import CommandLine, build_command
from jobs.cwl.errors import InvalidInputs, OutputError, ToolError, UnsupportedFeature
from jobs.cwl.form import FormHint, form_hint
from jobs.cwl.model import Tool
from jobs.cwl.outputs import collect_outputs
from jobs.cwl.scatter import Scatter, chunk, elements_of, scatter_rule
from jobs.cwl.schema import input_schema, is_own_file
from jobs.cwl.staging import write_work_files
from jobs.cwl.tool import load_tool

__all__ = [
    "CommandLine",
    "FormHint",
    "InvalidInputs",
    "OutputError",
    "Scatter",
    "Tool",
    "ToolError",
    "UnsupportedFeature",
    "build_command",
    "chunk",
    "collect_outputs",
    "elements_of",
    "form_hint",
    "input_schema",
    "is_own_file",
    "load_tool",
    "scatter_rule",
    "write_work_files",
]
