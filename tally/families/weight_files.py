"""Which files of a model hold its weights: safetensors alone, since a pickle may run code."""

from pathlib import Path

from tally.families.family import UnsupportedModel

_PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")


def check_weight_files(source: str) -> None:
    """Raises UnsupportedModel for a folder whose weights are pickles alone.

    Of a hub name nothing is looked at: only safetensors files are ever fetched.
    """
    folder = Path(source)
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles and not any(name.endswith(".safetensors") for name in names):
        raise UnsupportedModel(
            f"the weights of {folder.name} are a pickle ({pickles[0]}), which may run code when it "
            "is read; save them as safetensors"
        )
