"""Neural networks on the host, in Keras 3. Keras and its backend are imported only when a network is built."""
