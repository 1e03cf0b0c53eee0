"""The public results page: what a study file lets everybody see, for whole batches of raters.

It stands on the dashboard's counts and on the languages of the rater pages.
"""
