"""Configuration: TOML files and tag lists, read whole, checked whole, and refused with all their problems at once."""

from hazwatch.config.load import load_config
from hazwatch.config.log import LogConfig
from hazwatch.config.model import Config
from hazwatch.config.problems import ConfigProblems

__all__ = ["Config", "ConfigProblems", "LogConfig", "load_config"]
