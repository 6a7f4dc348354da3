"""Small models that learn the large one's answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.lab.compress.subject import Smaller, Subject

TREES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("decision_tree", {"max_depth": 6, "max_leaf_nodes": 32, "min_samples_leaf": 10}),
    ("decision_tree", {"max_depth": 10, "max_leaf_nodes": 128, "min_samples_leaf": 10}),
)
STUDENTS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "classification": (("logistic", {"C": 1.0}), *TREES),
    "regression": (("ridge", {"alpha": 1.0}), *TREES),
}


class Distilled:
    """Port `shrinker`: the learner `distilled`, with a student that is surely small."""

    name, group = "distilled", "distil"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        single = subject.learner == "decision_tree" and subject.task == "regression"
        if subject.learner == "distilled" or subject.steps or single:
            return
        for student, own in STUDENTS.get(subject.task, ()):
            if student == subject.learner:
                continue
            words = f"a {student.replace('_', ' ')} that learned its answers"
            if "max_leaf_nodes" in own:
                words += f", {own['max_leaf_nodes']} leaves"
            given = {
                "teacher": subject.learner, "teacher_parameters": dict(subject.parameters),
                "student": student, "student_parameters": own,
            }  # fmt: skip
            yield subject.fitted_with(self.name, words, given, "distilled")
