"""The YAML file of ``znp train``: names and meaning of keys are those of apax.

train         TrainConfig, the whole file
data          files, splits, units, how structures are padded, reference energies and scales
model         representation, network, ensemble, property heads, corrections
fit           losses, metrics, optimizer, schedules, averages, transfer learning
logs          where the numbers of each epoch go
lower_model   from a config to ModelConfig
lower_fit     from a config to FitConfig

Where a default differs from apax's, or a key changes nothing, the text of the key says so.
"""
