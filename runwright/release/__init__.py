"""The life of a release, without Prefect: what each step does, from the ref that is asked for to the end of the watch."""
