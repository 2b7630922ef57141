"""Dictionaries: sparse coding and learning."""

from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.learner import DictionaryLearner
from edgetwin.dictionary.sparse import SparseCodes, sparse_encode

__all__ = ["DictionaryLearner", "Iteration", "SparseCodes", "sparse_encode"]
