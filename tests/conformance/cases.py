"""What a save must bring back, as data.

Most of it is what others test of their own differs; each case says whose. Paths are relative to a
folder of the case's own, so that all of them fit into one image.
"""

from . import cases_of_containerd, cases_of_others

CASES = cases_of_containerd.CASES + cases_of_others.CASES
