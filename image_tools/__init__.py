"""Our images: what each is made from, how it is built, and what it weighs."""
