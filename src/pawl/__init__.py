"""Pawl retrains LoRA adapters on a schedule and lets only better ones through."""

from pawl import earlier

__version__ = "0.1.0"

earlier.install()
