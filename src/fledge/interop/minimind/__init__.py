"""All of MiniMind: its files, its scripts and its names on our engine, which knows nothing of it.

pth.py         its .pth files: read as a Hugging Face shape and weights, written so that it loads them
folder.py      a .pth as a model folder with its tokenizer, for whoever names one as a model
doors.py       what `trainer/*.py`, `eval_llm.py` and `scripts/*.py` open
tables.py      every script, its arguments, both generations' defaults, and the settings of ours that they become
conversions.py where an argument and a setting are not the same thing
arguments.py   the command line of a script, and how sentences of the engine are spelled there
files.py       where a script finds and puts its files, and which generation they belong to
train.py       the training scripts
runs.py        the runs behind its `_resume.pth`
tokenizer.py   the tokenizer in `model/`, and `train_tokenizer.py`
practice.py    small data made of our world where one of its data files is not there
lora.py        its LoRA's .pth: written by `train_lora.py`, merged by `eval_llm.py`
talk.py        `eval_llm.py`
parity.py      its maths as a job of ours, to compare with it; padded.py: rows and loss of that job
convert.py     `scripts/convert_model.py`
model.py       its model classes, for `model/model_minimind.py`
datasets.py    its dataset classes, for `dataset/lm_dataset.py`
"""
