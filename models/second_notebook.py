"""The source's second notebook: seven classifiers as they come, cell numbers a feature, all rows scaled at once."""

from collections.abc import Callable

import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from models.held_out_scores import Split, SplitScore, score_split

CLASSIFIERS: dict[str, Callable[[], ClassifierMixin]] = {
    "LR": lambda: LogisticRegression(random_state=42),
    "DT": lambda: DecisionTreeClassifier(random_state=42),
    "RF": lambda: RandomForestClassifier(n_estimators=100, random_state=42, n_jobs=1),
    "SVM": lambda: SVC(random_state=42),
    "KNN": lambda: KNeighborsClassifier(n_neighbors=5, n_jobs=1),
    "GB": lambda: GradientBoostingClassifier(random_state=42),
    "XGB": lambda: XGBClassifier(eval_metric="logloss", random_state=42, n_jobs=1),
}


def second_notebook_scores(
    X: pd.DataFrame,
    y: NDArray,  # (n,), 0 or 1
    split: Split,
) -> dict[str, SplitScore]:
    """Scores of the seven on the test side of a split, by name.

    ``X`` (n, n_columns) are numbers: the cell's, then the features, for trees break ties by the order. The scaler is
    fitted on all n rows, the test side included, which flatters: to be compared with, not concluded from. Raises
    ValueError as ``score_split`` does. Source: second notebook of the visual-behaviour omission study.
    """
    scaled = pd.DataFrame(StandardScaler().fit_transform(X), columns=X.columns)
    return {name: score_split(build(), scaled, y, split) for name, build in CLASSIFIERS.items()}
