"""`python -m pawl.evaluate STAGE TASK`: the stages of this room, as DVC runs them."""

from pawl.evaluate.external_inputs import external_inputs
from pawl.evaluate.preflight import preflight
from pawl.evaluate.run import evaluate
from pawl.workspace.stages import main

main(
    {
        "preflight": preflight,
        "external_inputs": external_inputs,
        # the name that dvc.yaml has in workspaces made before 0.2
        "world": external_inputs,
        "evaluate": evaluate,
    }
)
