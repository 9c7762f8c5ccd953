"""Pawl retrains LoRA adapters on a schedule and lets only better ones through."""

__version__ = "0.1.0"
