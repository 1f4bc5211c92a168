"""Expression of the training spots that an image comes closest to."""

from spotrank.fitting.heads.head import Head, affine, apply, at_least, share


class Retrieval(Head):
    """A space of images and expression, after BLEEP (Xie et al. 2023).

    A projection of embeddings and one of expression train together: in a batch each spot's image is
    to find its own expression, and spots that are alike (their Eqs. 1 to 4, temperature 1). A
    spot's score is the mean target of the `k` training spots whose projected expression has the
    largest cosine with its projected image. An objective of its own, so no loss applies.
    """

    trunk, labels = False, ("retrieval",)

    def __init__(self, dimension, n_genes, width=256, k=50, dropout=0.1):
        super().__init__(dimension, n_genes)
        self.width = at_least(1, width, "retrieval", "width")
        self.k = at_least(1, k, "retrieval", "k")
        self.dropout = share(dropout, "retrieval", "dropout")

    def start(self, generator):
        import torch

        start = {}
        for of, dimension in (("image_", self.dimension), ("expression_", self.n_genes)):
            start |= affine(of, dimension, self.width, generator)
            start |= affine(f"{of}second_", self.width, self.width, generator)
            ones = torch.ones(1, self.width, device=generator.device)
            start |= {f"{of}scale": ones, f"{of}shift": ones * 0}
        return start

    def projected(self, parameters, of, x, generator=None):
        """Of `x (runs, n, …)`, an affine map with a residual of one more layer, its norm taken out
        `(runs, n, width)`."""
        import torch

        first = apply(parameters, of, x)
        second = apply(parameters, f"{of}second_", torch.nn.functional.gelu(first))
        if generator is not None and self.dropout:
            uniform = second.new_empty(second.shape[1:]).uniform_(generator=generator)
            second = second * (uniform >= self.dropout) / (1 - self.dropout)
        found = torch.nn.functional.layer_norm(first + second, (self.width,))
        return found * parameters[f"{of}scale"] + parameters[f"{of}shift"]

    def objective(self, parameters, side, spots, generator):
        """Cross entropy of the similarities of images and expression `(runs,)`."""
        n_runs = len(parameters["image_bias"])
        image, expression = (
            self.projected(parameters, of, own[spots].expand(n_runs, -1, -1), generator)
            for of, own in (("image_", side.x), ("expression_", side.target))
        )
        logits = expression @ image.mT
        alike = ((image @ image.mT + expression @ expression.mT) / 2).softmax(-1)
        of_expression = -(alike * logits.log_softmax(-1)).sum(-1)
        of_image = -(alike.mT * logits.mT.log_softmax(-1)).sum(-1)
        return (of_expression + of_image).mean(-1) / 2

    def known(self, parameters, train):
        n_runs = len(parameters["image_bias"])
        target = train.target.expand(n_runs, -1, -1)
        found = self.projected(parameters, "expression_", target)
        return {"spots_projected": found, "spots_target": target}

    def score(self, parameters, x, place, generator=None):
        import torch

        image = self.projected(
            parameters, "image_", x.expand(len(parameters["image_bias"]), -1, -1)
        )
        known, k = parameters["spots_projected"], min(self.k, parameters["spots_target"].shape[1])
        known = torch.nn.functional.normalize(known, dim=-1)  # an image's own norm changes no order
        scores = [
            torch.nn.functional.embedding_bag((own @ keys.mT).topk(k).indices, target, mode="mean")
            for own, keys, target in zip(image, known, parameters["spots_target"], strict=True)
        ]
        return torch.stack(scores) + 0 * image[..., :1]  # what diverged is no number

    def hidden(self):
        return 10 * self.width
