"""The same eight classifiers as `rigorous` takes them: with a small grid to tune in, and what each costs to permute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

Parameters = Mapping[str, float | int | str | None]


@dataclass(frozen=True)
class Recipe:
    """A classifier, the parameters to choose among, and how many permutations of labels it can bear.

    The first point of ``grid`` is the default: it is taken where mice are too few to tune, and on a tie. ``quick``
    holds what makes the classifier cheap (fewer trees) while it is tuned and while labels are permuted.
    """

    unfitted: Callable[[], ClassifierMixin]
    grid: tuple[Parameters, ...] = ({},)
    quick: Parameters = field(default_factory=dict)
    permutation_count: int = 99

    def build(self, parameters: Parameters, quick: bool = False) -> ClassifierMixin:
        """The classifier with these parameters, unfitted; ``quick`` as it is tuned and permuted."""
        return self.unfitted().set_params(**parameters, **(self.quick if quick else {}))


# Ensembles are smaller here than in `CLASSIFIERS`: each is fitted some hundred times, and a hundred trees whose splits
# see a part of the columns score as well. They get 19 permutations, enough for p = 0.05 and no less.
RECIPES: dict[str, Recipe] = {
    "dummy": Recipe(lambda: DummyClassifier(strategy="prior")),
    "LR": Recipe(
        lambda: LogisticRegression(solver="newton-cholesky", max_iter=1000),
        ({"C": 1.0}, {"C": 0.1}, {"C": 10.0}, {"C": 100.0}),
    ),
    "DT": Recipe(
        lambda: DecisionTreeClassifier(min_samples_leaf=5, random_state=42),
        ({"max_depth": 4}, {"max_depth": 2}, {"max_depth": None}),
    ),
    "RF": Recipe(
        lambda: RandomForestClassifier(n_estimators=80, random_state=42, n_jobs=1),
        ({"min_samples_leaf": 1}, {"min_samples_leaf": 5}),
        quick={"n_estimators": 10},
        permutation_count=19,
    ),
    "SVM": Recipe(
        lambda: SVC(kernel="rbf", random_state=42),
        ({"C": 1.0}, {"C": 0.1}, {"C": 10.0}, {"C": 100.0}),
        permutation_count=39,
    ),
    "KNN": Recipe(
        lambda: KNeighborsClassifier(n_jobs=1), ({"n_neighbors": 7}, {"n_neighbors": 3}, {"n_neighbors": 15})
    ),
    "GB": Recipe(
        lambda: GradientBoostingClassifier(
            n_estimators=100, learning_rate=0.1, max_features="sqrt", subsample=0.8, random_state=42
        ),
        ({"max_depth": 3}, {"max_depth": 1}),
        quick={"n_estimators": 20, "learning_rate": 0.3},
        permutation_count=19,
    ),
    "XGB": Recipe(
        lambda: XGBClassifier(
            n_estimators=100,
            learning_rate=0.1,
            subsample=0.8,
            colsample_bytree=0.8,
            eval_metric="logloss",
            random_state=42,
            n_jobs=1,
        ),
        ({"max_depth": 4}, {"max_depth": 1}),
        quick={"n_estimators": 25, "learning_rate": 0.3},
        permutation_count=19,
    ),
}
