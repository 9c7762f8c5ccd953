"""Whether data is fit to train on: the rules, and what they measure."""
