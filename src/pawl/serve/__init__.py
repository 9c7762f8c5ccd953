"""Answers callers with the champions: an OpenAI-compatible server that follows the ledger."""
