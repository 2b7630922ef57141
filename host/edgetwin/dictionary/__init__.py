"""Dictionaries: sparse coding and learning."""

from edgetwin.dictionary.learner import DictionaryLearner

__all__ = ["DictionaryLearner"]
