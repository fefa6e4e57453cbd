"""What can go wrong with a tool, its inputs or its outputs.

Every message is written for the person who gave the tool or the inputs; ``field`` names the parameter.
"""

from common.errors import UserError


class ToolError(UserError):
    """The tool, or what it left behind, does not keep to CWL."""

    code = "tool_error"


class UnsupportedFeature(ToolError):
    """The tool asks for a part of CWL that is not offered here (JavaScript, a shell, ...)."""

    code = "unsupported_feature"


class InvalidInputs(ToolError):
    """The inputs do not fit the tool."""

    code = "invalid_inputs"


class OutputError(ToolError):
    """The declared outputs are missing, of another type, or lie outside the output folder."""

    code = "output_error"
