"""Adapters: a few trained numbers beside a frozen model, and the frozen model in four bits.

format.py      an adapter as a folder: PEFT's files, the base that it belongs to, and the plain weights that it amounts to
lora.py        LoRA and DoRA as layers in the place of linear ones: add, choose, merge, save, load
nf4.py         numbers in four bits with doubly quantised scales (QLoRA)
quantised.py   a frozen linear layer of such numbers
"""
