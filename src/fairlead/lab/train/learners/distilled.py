"""A small model that learned from a large one's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.plugins import variant
from fairlead.contract.signature import Task

STUDENTS = ("logistic", "ridge", "decision_tree", "hist_gradient_boosting", "explainable_boosting")
"""Learners that can be students: their estimators weigh rows, which soft labels need."""


class Distilled:
    """Student and teacher are learners; what is fitted, sealed and served is the student's estimator alone.

    teacher, student: names; teacher_parameters, student_parameters: theirs. The teacher learns from the rows, the
    student from the rows with the teacher's answers: of a classification every class with its probability as weight,
    of a regression the predicted number.
    Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network (2015).
    """

    name = "distilled"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Leaves of a tree that learned from boosting."""
        parameters = self.default(rows)
        leaves = trial.suggest_int("max_leaf_nodes", 8, 128, log=True)
        return {**parameters, "student_parameters": {**parameters["student_parameters"], "max_leaf_nodes": leaves}}

    def default(self, rows: int) -> dict[str, Any]:
        """A tree from boosting."""
        return {
            "teacher": "hist_gradient_boosting",
            "teacher_parameters": variant("learner", "hist_gradient_boosting")().default(rows),
            "student": "decision_tree",
            "student_parameters": variant("learner", "decision_tree")().default(rows),
        }

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """What fits both and gives back the student."""
        teacher = variant("learner", parameters["teacher"])().build(task, parameters["teacher_parameters"], seed)
        student = variant("learner", parameters["student"])().build(task, parameters["student_parameters"], seed)
        return Distillation(teacher, student)


class Distillation:
    """Two unfitted estimators; `fit` gives back the fitted student."""

    def __init__(self, teacher: Any, student: Any) -> None:
        self.teacher, self.student = teacher, student

    def fit(self, features: Any, truth: np.ndarray, sample_weight: np.ndarray | None = None) -> Any:
        """The student, fitted on the teacher's answers. features: (n, f); truth, sample_weight: (n,)."""
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        teacher = self.teacher.fit(features, truth, **more)
        if not hasattr(teacher, "predict_proba"):
            return self.student.fit(features, np.asarray(teacher.predict(features), dtype=np.float64), **more)
        likely = np.asarray(teacher.predict_proba(features), dtype=np.float64)
        rows, classes = likely.shape
        weights = likely if sample_weight is None else likely * sample_weight[:, None]
        return self.student.fit(
            np.repeat(np.asarray(features), classes, axis=0), np.tile(teacher.classes_, rows),
            sample_weight=weights.ravel(),
        )  # fmt: skip
