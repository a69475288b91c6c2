"""The half of modelctl that touches a model: audio in, features out.

It imports nothing of the other half and stays readable by Python 3.7, so that a container can have it mounted.
"""
