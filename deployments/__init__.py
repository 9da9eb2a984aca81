"""What is registered with Prefect, how it is started, and the command line."""
