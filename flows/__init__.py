"""What a person, a schedule or an automation starts: one file, one procedure."""
