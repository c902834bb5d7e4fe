"""Dataclasses that cost next to nothing to declare, for what is imported to render a file."""

from resnet_dsl.records import dataclass as dataclass
from resnet_dsl.records import field as field
from resnet_dsl.records import fields as fields
from resnet_dsl.records import replace as replace
