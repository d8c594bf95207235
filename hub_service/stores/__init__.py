"""What is kept: the database's repositories, and what lies in the registry for a while."""
