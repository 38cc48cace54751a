"""Seven classifiers and a dummy that tell rows of response features apart, and the columns that they may see."""

from collections.abc import Callable, Sequence
from typing import Literal

from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

Protocol = Literal["published", "rigorous"]

IDENTIFIERS: tuple[str, ...] = ("unit_id", "mouse_id")
CATEGORICAL: tuple[str, ...] = ("cre_line", "exposure_level")

# One thread each: folds and studies run side by side, and nested threads would fight over the cores. SVC is
# plain: `probability=True` is deprecated in scikit-learn 1.9 and can contradict `predict`, so its score is
# the decision function.
# Parameters of the seven are the source's; the dummy, which knows only how frequent labels are, is what they must beat.
CLASSIFIERS: dict[str, Callable[[], ClassifierMixin]] = {
    "dummy": lambda: DummyClassifier(strategy="prior"),
    "LR": lambda: LogisticRegression(max_iter=1000, random_state=42),
    "DT": lambda: DecisionTreeClassifier(random_state=42),
    "RF": lambda: RandomForestClassifier(n_estimators=300, random_state=42, n_jobs=1),
    "SVM": lambda: SVC(kernel="rbf", C=1.0, random_state=42),
    "KNN": lambda: KNeighborsClassifier(n_neighbors=7, n_jobs=1),
    "GB": lambda: GradientBoostingClassifier(n_estimators=200, learning_rate=0.05, max_depth=3, random_state=42),
    "XGB": lambda: XGBClassifier(
        n_estimators=300,
        learning_rate=0.05,
        max_depth=4,
        subsample=0.8,
        colsample_bytree=0.8,
        eval_metric="logloss",
        random_state=42,
        n_jobs=1,
    ),
}


def design_columns(
    protocol: Protocol,
    feature_names: Sequence[str],
    identifiers: Sequence[str] = IDENTIFIERS,
    categorical: Sequence[str] = CATEGORICAL,
) -> tuple[str, ...]:
    """The columns a decoder may see under a protocol, in the order in which it sees them.

    `published` gives identifiers, features, categorical columns: there, numbers of cells and mice served as
    numeric features. `rigorous` drops the identifiers. Order matters: trees break ties by it. Raises
    ValueError for another protocol, no features, or a column named twice.
    """
    if protocol not in ("published", "rigorous"):
        raise ValueError(f"protocol must be 'published' or 'rigorous', got {protocol!r}")
    if not feature_names:
        raise ValueError("a decoder needs at least one feature, got none")
    named = (*identifiers, *feature_names, *categorical)
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(f"identifiers, features and categorical name these columns more than once: {twice}")
    return named if protocol == "published" else named[len(identifiers) :]


def build_decoder(name: str, columns: Sequence[str], categorical: Sequence[str] = CATEGORICAL) -> Pipeline:
    """An unfitted pipeline: numeric columns scaled, categorical ones one-hot, then the named classifier.

    ``columns`` and ``categorical`` as ``columns_as_numbers`` takes them. Raises ValueError for a name not in
    ``CLASSIFIERS``, and as that function does.
    """
    if name not in CLASSIFIERS:
        raise ValueError(f"classifier must be one of {', '.join(CLASSIFIERS)}, got {name!r}")
    return decoder_of(CLASSIFIERS[name](), columns, categorical)


def decoder_of(
    classifier: ClassifierMixin, columns: Sequence[str], categorical: Sequence[str] = CATEGORICAL
) -> Pipeline:
    """The same pipeline around any classifier."""
    return Pipeline([("columns", columns_as_numbers(columns, categorical)), ("classifier", classifier)])


def columns_as_numbers(columns: Sequence[str], categorical: Sequence[str] = CATEGORICAL) -> ColumnTransformer:
    """Unfitted: numeric columns scaled to mean 0 and s.d. 1, categorical ones one-hot.

    ``columns`` are the columns of the feature frame that it reads, by name, such as ``design_columns`` gives;
    ``categorical`` names those among them that are not numbers. A category not met in training is all zeros.
    Raises ValueError for a categorical column not in ``columns``, or no numeric column.
    """
    absent = [column for column in categorical if column not in columns]
    if absent:
        raise ValueError(f"categorical columns must be among columns {list(columns)}, got {absent}")
    numeric = [column for column in columns if column not in categorical]
    if not numeric:
        raise ValueError(f"a decoder needs at least one numeric column, got only {list(columns)}")
    return ColumnTransformer(
        [
            ("numeric", StandardScaler(), numeric),
            ("categorical", OneHotEncoder(handle_unknown="ignore"), list(categorical)),
        ],
        sparse_threshold=0,
    )
