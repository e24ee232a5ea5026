"""Models that apax trained.

checkpoint   the arrays of a checkpoint, read without apax
config       the section ``model`` of its config.yaml, checked
conversion   both as configuration and parameters of this project's models
model        load_apax_model, the three together
node         ImportApax
"""
