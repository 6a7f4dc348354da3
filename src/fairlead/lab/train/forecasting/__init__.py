"""Forecasts: rows of series, regressors of the catalogue over their signals, folds that never look ahead."""
