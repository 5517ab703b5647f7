"""How a base model's weights come into memory: as they are, or in 4 bits, for learner and engines.

A checkpoint is read a tensor at a time (`safetensors_file.py`), packed in blocks
(`nf4_packing.py`), and what was packed once is kept (`kept_bases.py`); `base_loading.py` is what
is called.
"""

from tally import torch_compat

torch_compat.install()  # before any of these modules imports transformers
