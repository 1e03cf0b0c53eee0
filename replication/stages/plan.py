"""All stages, in order."""

from __future__ import annotations

from replication.stages.classes import class_stages
from replication.stages.errors56 import error_stages
from replication.stages.request import Request
from replication.stages.stage import Stage
from replication.stages.steps import step_stages
from replication.stages.upscaling import face_stages, large_face_stages, photo_stages


def plan(request: Request) -> list[Stage]:
    """Return the stages of a request, in the order in which they are made: imports first.

    So data that cannot be used are refused before the long work. Writes nothing. Raises
    `ReplicationError` for data that are not what they should be.
    """
    faces = [*face_stages(request), *large_face_stages(request), *step_stages(request)]
    upscaled = [*photo_stages(request), *faces]
    stages = [*upscaled, *class_stages(request), *error_stages(request)]
    return sorted(stages, key=lambda stage: stage.commands[0][0] != "dataset")
