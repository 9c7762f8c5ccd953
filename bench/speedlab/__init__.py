"""One timed training, by Pawl or by TRL: `bench/training.py` runs them in turns."""
