"""Models that people compose: each function is an entrypoint, and this file becomes a file of the repository that is tried."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, SplineTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC

NUMBERS, TEXT = ["a", "b", "c"], ["shop"]


def prepared(*steps: Any) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(ColumnTransformer([("numbers", numbers, NUMBERS), ("codes", codes, TEXT)]), *steps)


def logistic_pipeline() -> Pipeline:
    return prepared(LogisticRegression())


def feature_union() -> Pipeline:
    return prepared(FeatureUnion([("pca", PCA(2)), ("best", SelectKBest(k=3))]), LogisticRegression())


def grid_search() -> GridSearchCV:
    grid = {"logisticregression__C": [0.1, 1.0]}
    return GridSearchCV(prepared(LogisticRegression()), grid, scoring="roc_auc", cv=StratifiedKFold(3))


def random_search() -> RandomizedSearchCV:
    grid = {"randomforestclassifier__max_depth": [2, 3, 4, 5]}
    return RandomizedSearchCV(prepared(RandomForestClassifier(10)), grid, n_iter=2, random_state=1)


def calibrated_isotonic() -> Pipeline:
    return prepared(CalibratedClassifierCV(LinearSVC(), method="isotonic"))


def calibrated_forest() -> Pipeline:
    return prepared(CalibratedClassifierCV(RandomForestClassifier(10)))


def stacking() -> Pipeline:
    parts = [("linear", LogisticRegression()), ("forest", RandomForestClassifier(10)), ("svc", SVC())]
    return prepared(StackingClassifier(parts))


def voting() -> Pipeline:
    parts = [("linear", LogisticRegression()), ("forest", RandomForestClassifier(10))]
    return prepared(VotingClassifier(parts, voting="soft"))


def bagging() -> Pipeline:
    return prepared(BaggingClassifier(LogisticRegression(), max_features=0.7))


def one_vs_rest() -> OneVsRestClassifier:
    return OneVsRestClassifier(prepared(SVC(probability=False)))


def one_vs_one() -> Pipeline:
    return prepared(OneVsOneClassifier(LogisticRegression()))


def self_training() -> Pipeline:
    return prepared(SelfTrainingClassifier(LogisticRegression()))


def imblearn_pipeline() -> Any:
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline as make_resampling_pipeline

    return make_resampling_pipeline(*(step for _, step in prepared().steps), SMOTE(), LogisticRegression())


def transformed_target() -> TransformedTargetRegressor:
    return TransformedTargetRegressor(prepared(Ridge()), func=np.log1p, inverse_func=np.expm1)


def polynomial_ridge() -> Pipeline:
    return prepared(PolynomialFeatures(2), Ridge())


def splines() -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), SplineTransformer())
    return make_pipeline(ColumnTransformer([("numbers", numbers, NUMBERS)]), Ridge())


def stacking_regressor() -> Pipeline:
    parts = [("linear", Ridge()), ("forest", RandomForestRegressor(10))]
    return prepared(StackingRegressor(parts, final_estimator=HistGradientBoostingRegressor(max_iter=10)))


def voting_regressor() -> Pipeline:
    return prepared(VotingRegressor([("linear", Ridge()), ("forest", RandomForestRegressor(10))]))


def quantile_boosting() -> Pipeline:
    return prepared(HistGradientBoostingRegressor(loss="quantile", quantile=0.5, max_iter=20))
