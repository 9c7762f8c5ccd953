"""Where things lie in a workspace, its stages, its environment, its fingerprints."""
