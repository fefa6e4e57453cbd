"""What a link may allow, what each operation at a door needs, and dCache's words for it.

dCache's macaroons speak of activities; a link's row speaks of rights. An operation needs both: the right in the row,
cut down to what its issuer may do now, and, where the token names activities, those.
"""

from __future__ import annotations

from enum import StrEnum

from django.db import models


class Right(models.TextChoices):
    """What a link may allow on its path."""

    LIST = "list", "See names, sizes and dates"
    READ = "read", "Download"
    WRITE_NEW = "write-new", "Add new files and folders"
    OVERWRITE = "overwrite", "Replace files"
    DELETE = "delete", "Delete (into the trash)"


WRITING = frozenset({Right.WRITE_NEW, Right.OVERWRITE, Right.DELETE})


class Activity(StrEnum):
    """dCache's words in the caveat ``activity:``."""

    READ_METADATA = "READ_METADATA"
    UPDATE_METADATA = "UPDATE_METADATA"
    LIST = "LIST"
    DOWNLOAD = "DOWNLOAD"
    UPLOAD = "UPLOAD"
    DELETE = "DELETE"
    MANAGE = "MANAGE"


class Operation(StrEnum):
    """What is done through a door."""

    STAT = "stat"
    LIST = "list"
    READ = "read"
    CREATE = "create"
    REPLACE = "replace"
    MAKE_FOLDER = "make folder"
    MOVE = "move"
    COPY = "copy"
    DELETE = "delete"
    PROPERTIES = "properties"
    LOCK = "lock"


# operation -> (rights, activities) that are all needed. READ_METADATA comes with any other activity.
NEEDS: dict[Operation, tuple[frozenset[Right], frozenset[Activity]]] = {
    Operation.STAT: (frozenset(), frozenset()),
    Operation.LIST: (frozenset({Right.LIST}), frozenset({Activity.LIST})),
    Operation.READ: (frozenset({Right.READ}), frozenset({Activity.DOWNLOAD})),
    Operation.CREATE: (frozenset({Right.WRITE_NEW}), frozenset({Activity.UPLOAD})),
    Operation.REPLACE: (frozenset({Right.OVERWRITE}), frozenset({Activity.UPLOAD, Activity.DELETE})),
    Operation.MAKE_FOLDER: (frozenset({Right.WRITE_NEW}), frozenset({Activity.MANAGE})),
    Operation.MOVE: (frozenset({Right.WRITE_NEW, Right.DELETE}), frozenset({Activity.MANAGE})),
    Operation.COPY: (frozenset({Right.READ, Right.WRITE_NEW}), frozenset({Activity.DOWNLOAD, Activity.UPLOAD})),
    Operation.DELETE: (frozenset({Right.DELETE}), frozenset({Activity.DELETE})),
    Operation.PROPERTIES: (frozenset({Right.WRITE_NEW}), frozenset({Activity.UPDATE_METADATA})),
    Operation.LOCK: (frozenset({Right.WRITE_NEW}), frozenset({Activity.UPLOAD})),
}
