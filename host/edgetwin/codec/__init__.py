"""Codes to bits: what a dictionary bundle carries for the range coder of the C core, and how it is trained."""

from edgetwin.codec.tables import CodecTables, DctTables, SparseTables
from edgetwin.codec.training import CodecPlan, Measured, train_codec

__all__ = ["CodecPlan", "CodecTables", "DctTables", "Measured", "SparseTables", "train_codec"]
