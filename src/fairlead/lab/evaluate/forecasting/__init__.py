"""Judging forecasts: the sealed model at rolling origins, beside what repeating the last season would have said."""
