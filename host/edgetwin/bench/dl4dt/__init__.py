"""The experiments of DL4DT, sections 4.1 to 4.3: what a network loses when it is trained on dictionary-compressed data.

L. Cavalli, D. Brandoni, M. Porcelli, E. Pascolo, "Dictionary Learning for data compression within a Digital Twin
Framework", Ital-IA 2024. How each is read and what differs: docs/dl4dt.md.
"""

from edgetwin.bench.dl4dt.budget import BUDGETS, PARTS, Budget
from edgetwin.bench.dl4dt.experiment import run
from edgetwin.bench.dl4dt.figures import draw_figures
from edgetwin.bench.dl4dt.results import Results
from edgetwin.bench.dl4dt.tables import tables

__all__ = ["BUDGETS", "PARTS", "Budget", "Results", "draw_figures", "run", "tables"]
