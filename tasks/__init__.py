"""The steps of the procedures: one file, one step, a Prefect task that takes a release's id and returns a small fact."""
