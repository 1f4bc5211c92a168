"""A head of one's own."""

from spotrank.base.store import InputError
from spotrank.fitting import own
from spotrank.fitting.heads.head import at_least
from spotrank.fitting.heads.modules import Module


class Own(Module):
    """A torch module from a file: `kind(dimension, n_genes, **arguments)`, whose
    `forward(x, place, neighbours)` gives scores `(n, n_genes)`.

    neighbours, radius_um: ask for so many; slides: ask for whole slides. See `docs/your_own.md`.
    """

    def __init__(
        self, dimension, n_genes, file="", kind="", source="", neighbours=0, radius_um=400.0,
        slides=False, arguments={},  # noqa: B006 (never changed)
    ):  # fmt: skip
        super().__init__(dimension, n_genes)
        self.neighbours = at_least(0, neighbours, "own", "neighbours")
        self.radius_um = at_least(1, radius_um, "own", "radius_um")
        self.file, self.kind, self.source, self.arguments = file, kind, source, arguments
        self.slides, self.known_shape = slides, False
        self.line = own.line_of(source, file, "class", kind)

    def build(self):
        from torch import nn

        with own.told(self.file, self.line, self.kind):
            made = own.load(self.source, self.file, "class", self.kind)
            module = made(self.dimension, self.n_genes, **self.arguments)
        if not isinstance(module, nn.Module):
            raise InputError(
                f"{self.file}, line {self.line}: '{self.kind}' is no torch.nn.Module; derive it "
                "from that."
            )
        return module

    def start(self, generator):
        state = super().start(generator)
        trained = {key for key, value in self.module.named_parameters() if value.requires_grad}
        # what is not trained is called as running means are
        return {key if key in trained else _KEPT + key: value for key, value in state.items()}

    def fed(self, x, place, generator, around=None):
        return x, place, around

    def score(self, parameters, x, place, generator=None, around=None):
        parameters = {key.removeprefix(_KEPT): value for key, value in parameters.items()}
        with own.told(self.file, self.line, self.kind):
            score = super().score(parameters, x, place, generator, around=around)
        if not self.known_shape:
            shape = len(x), self.n_genes
            own.checked(score[0], shape, "(spots, genes)", self.file, self.line, self.kind)
            finite = all(value.isfinite().all() for value in parameters.values())
            if finite and not score.isfinite().all():
                raise InputError(
                    f"{self.file}, line {self.line}: '{self.kind}' gives NaN or infinity for "
                    "embeddings that are numbers; correct it."
                )
            self.known_shape = True
        return score


_KEPT = "running_own."
