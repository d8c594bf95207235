"""What holds without asking anybody: names, rights, quotas, what a version stands on (pure)."""
