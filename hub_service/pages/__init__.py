"""What people see: words, figures and pages in their language."""
