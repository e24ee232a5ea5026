"""Nodes that judge models and data.

EvaluatePotential   errors of a model on labelled structures, with confidence intervals
ErrorTable          errors of any properties by category of structures, with plots
PlotParity          predicted against reference values: image, web page, table
PlotLearningCurve   errors against the size of the training set
PlotSelection       a selection on a map of features: image, ranking, distances
ReportLeakage       duplicates and near-duplicates within and between data sets
"""
