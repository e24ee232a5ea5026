"""Nodes that choose structures: ``rows`` (which), ``frames`` and ``excluded_frames``.

SelectRandom           a random subset
SelectUniform          evenly spaced along the sequence
SelectFarthestPoints   most different from each other and from what is known already
DistanceHistogram      (spec) features of structures without a trained model
"""
