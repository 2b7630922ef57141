"""The experiments of CMI: a medical classifier on VGG16, made smaller by quantising it and by smaller images.

R. Trad, N. Azizi, A. Boukhamla, "La compression des réseaux de neurones profonds à convolution pour l'analyse des
images cardiaques coronariennes", 2022. How each is read and what differs: docs/cmi.md.
"""

from edgetwin.bench.cmi.base import Base, choose_base
from edgetwin.bench.cmi.budget import BUDGETS, Budget
from edgetwin.bench.cmi.data import TwoClasses, load_images
from edgetwin.bench.cmi.experiment import run
from edgetwin.bench.cmi.images import require_images
from edgetwin.bench.cmi.picture import draw_picture
from edgetwin.bench.cmi.results import Results
from edgetwin.bench.cmi.tables import lines, tables

__all__ = [
    "BUDGETS",
    "Base",
    "Budget",
    "Results",
    "TwoClasses",
    "choose_base",
    "draw_picture",
    "lines",
    "load_images",
    "require_images",
    "run",
    "tables",
]
