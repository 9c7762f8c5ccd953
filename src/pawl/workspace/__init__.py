"""Where things lie in a workspace, its stages, its environment, its fingerprints."""


def __getattr__(name: str) -> object:
    from pawl.earlier import look_up

    return look_up(__name__, name)
