"""One run, a sweep, a cohort: joins the steps and keeps the books."""
