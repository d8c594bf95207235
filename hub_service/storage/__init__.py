"""Giving disk back: what nobody names any more, what nobody starts any more."""
