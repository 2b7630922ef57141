"""Networks of the papers, one a file, each a function that builds an untrained Keras model."""

from edgetwin.nn.architectures.fcn import fcn
from edgetwin.nn.architectures.mnist_convnet import mnist_convnet
from edgetwin.nn.architectures.sparse_autoencoder import sparse_autoencoder

__all__ = ["fcn", "mnist_convnet", "sparse_autoencoder"]
