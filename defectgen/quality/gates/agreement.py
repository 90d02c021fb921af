"""Agreement: a defect is taken for what it was meant to be."""

from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Evidence, Gate


class Agreement(Gate):
    """The defect must be recognised as one of its class: its score is the probability that a critic gives the class.

    Asked is a critic that has not seen the group of the donor, or of the real defect.
    """

    reason = "agreement"

    def prepare(self, evidence: Evidence) -> None:
        self.critic = evidence.critic

    def score(self, drawn: Drawn) -> float:
        """In [0, 1]."""
        patch, number = drawn.patch(self.critic.spec.size), self.critic.spec.number(drawn.label_name)
        return float(self.critic.predict(patch[None], [drawn.group])[0, number])
