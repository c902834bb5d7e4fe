"""A script that is followed step by step: its errors, and what tells why it parts from the referee."""

from __future__ import annotations

from collections.abc import Mapping

from resnet_dsl.ir.arrays import Array
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.recipe_referee import graph_of, rule_of
from resnet_dsl.records import dataclass, field
from resnet_dsl.reference import OptimisedStep
from resnet_dsl.verify.recipe_causes import MovedWeights, cause_in_rule, sampled
from resnet_dsl.verify.recipe_truth import RecipeBatch, RecipeTruth
from resnet_dsl.verify.script_errors import BAR, common_factor, step_errors
from resnet_dsl.verify.script_process import LeftByScript, ScriptFailed, ScriptRun
from resnet_dsl.verify.step_errors import Errors, largest


@dataclass
class Followed:
    """A script while it is followed: its errors so far, and what tells why it parts."""

    run: ScriptRun
    truth: RecipeTruth
    steps: list[Errors] = field(default_factory=list)
    failure: str = ""
    cause: str = ""
    start: dict[str, Array] = field(default_factory=dict)
    gradients: list[dict[str, Array]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def begin_phase(self, state: Mapping[str, Array], recipe: Recipe, phase: int) -> None:
        """Keep a sample of the weights that learn in a phase."""
        graph = graph_of(recipe, recipe.phases[phase])
        nodes = (node for node in graph.nodes if not graph.is_frozen(node))
        learned = {name for node in nodes for name, tensor in node.parameters() if tensor.learned}
        self.start = {name: state[name] for name in sampled(sorted(learned), state)}
        self.gradients, self.rates = [], []

    def take(self, batch: RecipeBatch, truth: OptimisedStep) -> None:
        """Take a step of the script and hold it against the referee's."""
        try:
            left = self.run.step(batch.asked.number)
        except ScriptFailed as error:
            self.failure = str(error)
            return
        errors = step_errors(left, truth, batch, self.truth.recipe)
        self.steps.append(errors)
        if self.cause or any(largest(step) > BAR for step in self.steps[:-1]):
            return
        self.gradients.append({n: v for n, v in left[0].gradients.items() if n in self.start})
        self.rates.append(batch.lr)
        if largest(errors) > BAR:
            self.cause = self._cause(left[0], truth, errors, batch)

    def _cause(self, left: LeftByScript, truth: OptimisedStep, errors: Errors, batch: RecipeBatch) -> str:
        if errors["batch"][0]:
            return "the script sees another batch"
        if errors["gradients"][0] > BAR:
            factor = common_factor(left.gradients, truth.gradients)
            return f"all gradients are {factor:.6g} times what they should be" if factor else ""
        if errors["weights"][0] <= BAR or not left.state.keys() >= self.start.keys():
            return ""
        rule = rule_of(self.truth.recipe.phases[batch.asked.phase].optimiser)
        weights = {name: left.state[name] for name in self.start}
        return cause_in_rule(
            rule, MovedWeights(self.start, tuple(self.gradients), tuple(self.rates), weights)
        )
