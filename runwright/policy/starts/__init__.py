"""What a program does to the database when it starts, followed from the command that starts it. Nothing is run."""
