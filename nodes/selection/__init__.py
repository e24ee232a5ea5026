"""Nodes that describe and choose structures: ``rows`` (which), ``frames``, ``excluded_frames``.

SelectRandom           a random subset
SelectUniform          evenly spaced along the sequence, or in energy or another value
SelectByIndex          by number or slice
SelectByFunction       by a rule of one's own, e.g. the spec Predicate
SelectFarthestPoints   most different from each other and from what is known already
SelectMaxDet           least certain for a linear model of the features, together
SelectLCMD             the farthest of the largest unknown region
SelectKMeansPlusPlus   random, in favour of what is far from all that is known
SelectByThreshold      uncertainty, or another value, above a threshold
SelectCUR              highest leverage scores, of structures or of their atoms
SelectFlatHistogram    evenly spread over a property, or biased to low values
SelectConvexHull       on or near the hull of energy over composition and volume
DescribeFrames         features of structures or atoms
GaussianMoments, Soap, DistanceHistogram, StoredFeatures
                       (specs) features of structures and atoms without a trained model
LastLayerFeatures, ForceFeatures, GradientFeatures, EnsembleFeatures
                       (specs) features of structures by trained models
"""
