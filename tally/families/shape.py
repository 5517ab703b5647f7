"""The size of a model, in parameters and in bytes. Pure."""

from dataclasses import dataclass

from tally.families.four_bit import NF4_BYTES


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What the memory of a model depends on; the norms and biases, a thousandth, are left out."""

    vocabulary: int
    hidden: int
    layers: int
    query: int  # heads × head size
    key_value: int  # key heads × head size
    intermediate: int
    tied_embeddings: bool
    vision_parameters: int
    vision_width: int = 0  # of the tower's blocks
    vision_perceptron: int = 0  # numbers that a block's perceptron makes of a patch
    patch_numbers: int = 3 * 2 * 14 * 14  # of a patch as the tower reads it
    patches_per_token: int = 4  # of an image: how many become one token
    features_per_token: int = 1  # vectors of `hidden` that the tower gives for a token of an image
    routed_parameters: int = 0  # of all experts among which a router chooses; none is adapted
    routed_intermediate: int = 0  # of the experts that a token goes through

    @property
    def projections(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the linear layers that are adapted, in each decoder layer."""
        hidden, narrow, wide = self.hidden, self.key_value, self.intermediate
        attention = ((hidden, self.query), (hidden, narrow), (hidden, narrow), (self.query, hidden))
        return (*attention, (hidden, wide), (hidden, wide), (wide, hidden))

    @property
    def linear_parameters(self) -> int:
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections)

    @property
    def embedding_parameters(self) -> int:
        return self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def decoder_parameters(self) -> int:
        """Of all decoder layers."""
        return self.linear_parameters + self.routed_parameters

    @property
    def layer_parameters(self) -> int:
        """Of one decoder layer."""
        return self.decoder_parameters // self.layers

    @property
    def parameters(self) -> int:
        return self.decoder_parameters + self.embedding_parameters + self.vision_parameters

    @property
    def largest_tensor(self) -> int:
        """Of how many numbers the largest of the model's weights is.

        A layer's routed experts are two: what makes gate and up of them all, and what goes back.
        """
        routed = self.routed_parameters // self.layers * 2 // 3
        return max(self.hidden * self.vocabulary, self.hidden * self.intermediate, routed)

    def weights_bytes(self, *, bytes_per_number: int, use_4bit: bool) -> int:
        """The weights as they are held; with `use_4bit` the layers' linear ones in NF4."""
        linear = NF4_BYTES if use_4bit else bytes_per_number
        others = self.parameters - self.linear_parameters
        return round(self.linear_parameters * linear + others * bytes_per_number)
