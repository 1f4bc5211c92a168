"""Sets of genes that belong together, from a GMT file."""

from spotrank.base.store import InputError, read_text


def read(path):
    """Gene sets of a GMT file, `{name: genes}`: a line is a name, a description and genes,
    separated by tabs. A gene that a line names twice counts once. `InputError` for another file.
    """
    found = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        name, _, *genes = [*map(str.strip, line.split("\t")), ""]
        genes = list(dict.fromkeys(filter(None, genes)))
        if not name or not genes:
            raise InputError(
                f"{path}: line {number} has no {'genes' if name else 'name'}; write a name, a "
                "description and genes, separated by tabs."
            )
        if name in found:
            raise InputError(f"{path}: the set '{name}' stands there twice; keep one.")
        found[name] = genes
    if not found:
        raise InputError(
            f"{path}: has no gene set; write a line each: a name, a description and genes, "
            "separated by tabs."
        )
    return found


def check_measured(path, measured, where):
    """Raise `InputError` if no gene of the sets in `path` is among the genes `measured`.

    where: what measured them, in words.
    """
    named = dict.fromkeys(gene for genes in read(path).values() for gene in genes)
    if measured and named.keys().isdisjoint(measured):
        raise InputError(
            f"{path}: none of its genes, such as '{next(iter(named))}', is measured in {where}, "
            f"whose genes have names such as '{min(measured)}'; use these."
        )
