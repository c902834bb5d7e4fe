"""The bounds that backends hold files and models to."""

from resnet_dsl.limits import CONSTANTS

__all__ = ["CONSTANTS"]
