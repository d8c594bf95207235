"""What all kinds of jobs have in common on their way to an end."""
