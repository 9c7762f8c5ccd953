"""Where things lie in a workspace, its stages, its environment, its fingerprints."""


def __getattr__(name: str) -> object:
    from pawl.earlier import ADDED, look_up

    return look_up(ADDED[__name__], __name__, name)
