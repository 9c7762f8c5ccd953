"""`python -m pawl.evaluate preflight|world|evaluate TASK`: the doors that DVC opens."""

from pawl.evaluate.external_inputs import world
from pawl.evaluate.preflight import preflight
from pawl.evaluate.run import evaluate
from pawl.workspace.stages import main

main({"preflight": preflight, "world": world, "evaluate": evaluate})
