"""A few releases on a real Prefect server, by a real worker, as CI and automations start them."""
