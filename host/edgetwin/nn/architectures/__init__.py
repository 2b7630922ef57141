"""Networks of the papers, one a file, each a function that builds an untrained Keras model."""

from edgetwin.nn.architectures.cnn1d import cnn1d
from edgetwin.nn.architectures.dcae import dcae
from edgetwin.nn.architectures.dense_autoencoder import dense_autoencoder
from edgetwin.nn.architectures.ds_cnn import ds_cnn
from edgetwin.nn.architectures.fcn import fcn
from edgetwin.nn.architectures.mnist_convnet import mnist_convnet
from edgetwin.nn.architectures.mobilenet import mobilenet
from edgetwin.nn.architectures.resnet import resnet8, resnet20, resnet32
from edgetwin.nn.architectures.resnet50 import resnet50
from edgetwin.nn.architectures.sparse_autoencoder import sparse_autoencoder
from edgetwin.nn.architectures.vgg16 import vgg16, vgg16_transfer

__all__ = [
    "cnn1d",
    "dcae",
    "dense_autoencoder",
    "ds_cnn",
    "fcn",
    "mnist_convnet",
    "mobilenet",
    "resnet8",
    "resnet20",
    "resnet32",
    "resnet50",
    "sparse_autoencoder",
    "vgg16",
    "vgg16_transfer",
]
