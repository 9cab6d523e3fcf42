"""Objects whose truth is known: tissues by field strength, geometry, sampling to spins, truth maps."""

from .phantom import Phantom
from .phantom_file import load_phantom
from .spins import Spins
from .tissue import Pool, Tissue, load_tissue
from .tissue_facts import Property

__all__ = ["Phantom", "Pool", "Property", "Spins", "Tissue", "load_phantom", "load_tissue"]
