"""The YAML file of ``znp md``: names and meaning of keys are those of apax.

md         MdConfig, the whole file
ensembles  how atoms move: nve, nvt, langevin, csvr, npt, cell_rescaling; schedules
rules      constraints, checks and biases
lower_md   from a config to MDSettings

Where a default differs from apax's, or a key changes nothing, the text of the key says so.
"""
