import numpy as np
import pandas as pd

from models.held_out_scores import Split, random_split
from models.response_features import FEATURES
from models.second_notebook import second_notebook_scores

PUBLISHED = {"LR": 0.9453, "DT": 0.9375, "RF": 0.9688, "SVM": 0.8984, "KNN": 0.8359, "GB": 0.9766, "XGB": 0.9766}


def test_the_second_notebooks_accuracies_come_back(published_table):
    y = published_table["omitted"].to_numpy().astype(int)
    split = random_split(y)
    found = second_notebook_scores(published_table[["unit_id", *FEATURES]].astype(float), y, split)
    assert len(split.test) == 128
    assert {name: round(scored.accuracy, 4) for name, scored in found.items()} == PUBLISHED


def test_the_scaler_sees_the_test_side():
    """What the notebook does and `rigorous` does not: a test row far away moves the scale of all."""
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 30)
    X = pd.DataFrame({"a": y + rng.normal(0, 1, 60), "b": rng.normal(size=60)})
    split = Split(np.arange(40), np.arange(40, 60))
    far = X.copy()
    far.loc[59, "b"] = 1e3
    before, after = (second_notebook_scores(table, y, split)["LR"].score[:-1] for table in (X, far))
    assert np.abs(before - after).max() > 1e-3
