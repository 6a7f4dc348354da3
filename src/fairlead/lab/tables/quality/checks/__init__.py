"""One module a check of a table's quality; port `quality_check`, contract `quality.examining.QualityCheck`."""
