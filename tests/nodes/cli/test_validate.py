import pytest
from typer.testing import CliRunner

from nodes.schema.reading import ConfigError
from zn_pipeline.cli.app import app


def test_errors_name_line_and_key(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("duration: 10\ninitial_structur: a.xyz\n")
    done = CliRunner().invoke(app, ["validate", "md", str(path)])
    assert isinstance(done.exception, ConfigError)
    message = str(done.exception)
    assert "line 2: initial_structur is not a key, did you mean initial_structure?" in message


# A training file of apax 0.14 with every key of its full template.
APAX_FILE = """
n_epochs: 100
seed: 1
ckpt_interval: 500
patience: null
data_parallel: True
weight_average: null
data:
  directory: models/
  experiment: apax
  data_path: data.xyz
  dataset:
    processing: cached
    shuffle_buffer_size: 1000
  n_train: 1000
  n_valid: 100
  batch_size: 4
  valid_batch_size: 100
  shift_method: "per_element_regression_shift"
  shift_options: {"energy_regularisation": 1.0}
  scale_method: "per_element_force_rms_scale"
  scale_options: {}
  pos_unit: Ang
  energy_unit: eV
model:
  name: gmnn
  basis:
    name: bessel
    n_basis: 16
    r_max: 5.0
  ensemble: null
  n_radial: 5
  n_contr: 8
  nn: [256, 256]
  calc_stress: true
  w_init: lecun
  b_init: zeros
  descriptor_dtype: fp32
  readout_dtype: fp32
  scale_shift_dtype: fp64
  emb_init: uniform
  use_ntk: false
loss:
- name: energy
  loss_type: mse
  weight: 1.0
  atoms_exponent: 1
- name: forces
  loss_type: mse
  weight: 4.0
  atoms_exponent: 1
metrics:
- name: energy
  reductions:
  - mae
- name: forces
  reductions:
  - mae
  - mse
optimizer:
  name: adam
  kwargs: {}
  emb_lr: 0.001
  nn_lr: 0.001
  scale_lr: 0.0001
  shift_lr: 0.003
  zbl_lr: 0.0001
  schedule:
    name: cyclic_cosine
    period: 40
    decay_factor: 0.93
callbacks:
- name: csv
transfer_learning:
  base_model_checkpoint: null
  reset_layers: []
  freeze_layers: []
progress_bar:
  disable_epoch_pbar: false
  disable_batch_pbar: true
"""


def test_files_of_apax_are_valid_and_keys_without_effect_are_noted(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(APAX_FILE)
    done = CliRunner().invoke(app, ["validate", "train", str(path)])
    assert done.exit_code == 0
    assert "is a valid train config" in done.stdout
    assert "note: model.calc_stress has no effect" in done.output


@pytest.mark.parametrize("kind", ["train", "md"])
def test_a_file_that_is_not_there_is_named(kind, tmp_path):
    done = CliRunner().invoke(app, ["validate", kind, str(tmp_path / "no.yaml")])
    assert "no.yaml must be a readable YAML file" in str(done.exception)
