"""What the API reads."""

import math
from collections.abc import Iterator, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

LARGEST_INTEGER = 2**63 - 1


class StrictJSONParser(JSONParser):
    """JSON that any part behind it can keep: no NaN, no NUL or half characters, no endless nesting or numbers."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value; ParseError says why it is none."""
        try:
            value = super().parse(stream, media_type, parser_context)
            for part in _parts(value):
                _refuse_odd(part)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        return value


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)
    else:
        yield value


def _refuse_odd(part: Any) -> None:
    if isinstance(part, str) and any(sign == "\x00" or "\ud800" <= sign <= "\udfff" for sign in part):
        raise ParseError("The JSON has a text with a NUL or half a character in it.")
    if isinstance(part, float) and not math.isfinite(part):
        raise ParseError("The JSON has a number that is not finite.")
    if isinstance(part, int) and abs(part) > LARGEST_INTEGER:
        raise ParseError("The JSON has a whole number of more than 64 bits.")
