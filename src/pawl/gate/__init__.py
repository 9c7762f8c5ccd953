"""The verdict from the evidence and the policy: pure, no torch, no clock, no network."""
