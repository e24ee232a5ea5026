"""Where the numbers of each epoch go.

rows         which numbers, and what they are called
csv_file     log.csv
tensorboard  events for TensorBoard
mlflow_run   a run in MLflow
dvc_live     metrics.json and plots/*.tsv, which dvc shows while a run goes on
progress     a bar in the terminal
opening      the callbacks that a config asks for

A callback is told the first epoch that is to come when it is opened: a run that was interrupted
goes on from a checkpoint, and what was logged after it is replaced.
"""
