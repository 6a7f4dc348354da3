"""Operations that bend or cut a number: one value and many give the same bits; scikit-learn and scipy agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.curves import Above, Bin, Power, Quantile
from fairlead.runtime.bundle.normal import HIGHEST, LOWEST, normal_quantile, normal_quantiles
from fairlead.runtime.bundle.ops import check_op, for_many, for_one

numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)
usual = st.floats(-1e6, 1e6)
knots = st.lists(usual, min_size=1, max_size=12).map(sorted).map(tuple)
edges = st.lists(usual, max_size=12, unique=True).map(sorted).map(tuple)
curves = st.one_of(
    st.builds(Power, st.sampled_from(["yeo-johnson", "box-cox"]), st.one_of(st.sampled_from([0.0, 1.0, 2.0]), usual)),
    st.builds(Quantile, knots, st.booleans()),
    st.builds(Bin, edges),
    st.builds(Above, usual),
)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes() or bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())


@settings(max_examples=150)
@given(curves, st.lists(numbers, max_size=20))
def test_one_value_and_many_give_the_same_bits(op, values):
    check_op(op)
    at = [*values, *(getattr(op, "knots", ()) or getattr(op, "edges", ())), 0.0, -0.0, math.nan]
    one = np.array([for_one(op)(x) for x in at])
    assert same(for_many(op, np.array(at)), one)


@given(st.floats(0.0, 1.0))
def test_quantiles_of_the_normal_distribution_are_those_of_scipy(share):
    from scipy.special import ndtri

    assert normal_quantile(share) == pytest.approx(min(max(float(ndtri(share)), LOWEST), HIGHEST), abs=1e-14, rel=1e-14)
    assert normal_quantiles(np.array([share]))[0] == normal_quantile(share)


@settings(max_examples=40)
@given(st.lists(usual, min_size=2, max_size=60), st.sampled_from(["uniform", "normal"]), st.lists(usual, max_size=20))
def test_quantiles_are_those_of_scikit_learn(training, distribution, values):
    from sklearn.preprocessing import QuantileTransformer

    x = np.array(training)[:, None]
    fitted = QuantileTransformer(n_quantiles=min(10, len(x)), output_distribution=distribution).fit(x)
    op = Quantile(tuple(fitted.quantiles_[:, 0].tolist()), distribution == "normal")
    at = np.array([*values, *training, *op.knots])
    assert np.allclose(for_many(op, at), fitted.transform(at[:, None])[:, 0], rtol=0, atol=1e-13)


@settings(max_examples=40)
@given(st.floats(-3, 5), st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20))
def test_powers_are_those_of_scipy(by, values):
    from scipy.stats import yeojohnson

    at = np.array(values)
    with np.errstate(all="ignore"):
        expected = yeojohnson(at, by)
        assert np.allclose(for_many(Power("yeo-johnson", by), at), expected, rtol=1e-13, atol=1e-15, equal_nan=True)


def test_a_value_at_an_edge_belongs_above_it():
    assert [for_one(Bin((1.0, 2.0)))(x) for x in (0.9, 1.0, 1.5, 2.0, 9.0)] == [0, 1, 1, 2, 2]
    assert [for_one(Above(1.0))(x) for x in (1.0, math.nextafter(1.0, 2.0))] == [0, 1]


@pytest.mark.parametrize(
    "op",
    [
        Power("yeo-johnson", math.nan),
        Power("box-cox", math.inf),
        Quantile(()),
        Quantile((1.0, 0.0)),
        Quantile((0.0, math.nan)),
        Quantile(tuple(float(n) for n in range(10_001))),
        Bin((1.0, 1.0)),
        Bin((2.0, 1.0)),
        Bin((0.0, math.inf)),
        Above(math.nan),
    ],
)
def test_what_no_fitted_preparation_has_is_refused(op):
    with pytest.raises(BundleRefused, match=r"front\.json"):
        check_op(op)
