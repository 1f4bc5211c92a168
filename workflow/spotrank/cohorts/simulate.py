"""A simulated cohort in HEST-1k's layout: cartoons of H&E, and counts that follow what was drawn.

The slide is drawn from the maps and nuclei of `tissue`, at its own pixel size. Counts depend on
these, never on the colours, so that stain and scanner are the nuisance they are in real slides.
"""

import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd

from spotrank.base.store import whole
from spotrank.cohorts.tissue import (
    COMPOSITION,
    DIAMETER,
    KINDS,
    MARGIN,
    ROW,
    SPACING,
    lay_out,
    measure,
    surroundings,
)

TILE = 256  # px
TYPICAL = np.array([0.35, 0.1, 0.3, 0.15, 0.05, 0.6, 0.2])  # composition of a middling patch


def design(patients=4, spots=300, genes=200, seed=0, context=False):
    """Rows of HEST's metadata table for the cohort, one a slide; every second patient has two."""
    rows = []
    for number, (patient, section) in enumerate(_sections(patients), start=1):
        pixel_size = _traits(_rng(seed, patient)).pixel_size
        pixels = round(_side(spots) / pixel_size)
        rows.append(
            {
                "dataset_title": "Simulated cohort",
                "id": f"SIM{number}",
                "image_filename": f"SIM{number}.tif",
                "organ": "Breast",
                "disease_state": "Cancer",
                "oncotree_code": None,
                "species": "Homo sapiens",
                "patient": f"Patient {patient}",
                "st_technology": "Visium",
                "data_publication_date": None,
                "license": None,
                "study_link": None,
                "download_page_link1": None,
                "inter_spot_dist": SPACING,
                "spot_diameter": DIAMETER,
                "spots_under_tissue": spots,
                "preservation_method": None,
                "nb_genes": genes,
                "treatment_comment": None,
                "pixel_size_um_embedded": None,
                "pixel_size_um_estimated": pixel_size,
                "magnification": "20x",
                "fullres_px_width": pixels,
                "fullres_px_height": pixels,
                "tissue": "Breast",
                "disease_comment": None,
                "subseries": f"P{patient}S{section}",
                "hest_version_added": None,
            }
        )
    return pd.DataFrame(rows)


def write_sample(
    st, wsi, metadata, sample_id, patients=4, spots=300, genes=200, seed=0, context=False
):
    """Draw one slide of the cohort and write its counts, slide and metadata to the three paths.

    context: some genes depend on what lies around a spot, see `cohort_genes`.

    Besides raw counts, `st` holds `layers['noise_free']`, (n_spots, n_genes): the expression that
    the picture implies, before batch effects, sequencing depth, noise and dropout.
    """
    rows = design(patients, spots, genes, seed).to_dict("records")
    number = [row["id"] for row in rows].index(sample_id)
    row, (patient, section) = rows[number], _sections(patients)[number]
    # the patient's generator starts alike for all of its sections, which therefore share traits
    rngs = _rng(seed, patient), _rng(seed, patient, section)
    traits = _traits(rngs[0])
    tissue = lay_out(rngs, traits, _side(spots), spots)
    rgb = _draw(rngs[1], traits, tissue, row["fullres_px_width"])
    composition, table = measure(tissue), cohort_genes(genes, seed, context)
    around = surroundings(tissue, composition) if context else np.zeros(spots)
    adata = _sequence(rngs[1], composition, around, table)
    if context:
        adata.var["context"] = table["context"] != 0
    _locate(adata, tissue.spots, rgb, traits.pixel_size)

    with whole(st) as temporary:
        adata.write_h5ad(temporary, compression="gzip")
    with whole(wsi) as temporary:
        write_pyramid(temporary, rgb, traits.pixel_size)
    with whole(metadata) as temporary:
        temporary.write_text(
            json.dumps(row | {"section": row["subseries"]}, indent=1), encoding="utf-8"
        )


def _sections(patients):
    return [(p, s) for p in range(1, patients + 1) for s in range(1, 2 + (p % 2 == 0))]


def _rng(seed, patient=0, section=0):
    return np.random.default_rng([seed, patient, section])


def _side(spots):
    """Side of the slide in µm: tissue for that many spots, with room for an irregular outline."""
    return round(1.16 * (spots * SPACING * ROW) ** 0.5) + 2 * MARGIN


def _traits(rng):
    """What is common to a patient's sections: the scanner, the staining, the tumour's make-up."""
    stains = np.array([[0.62, 0.73, 0.29], [0.08, 0.92, 0.38]]) + rng.normal(0, 0.035, (2, 3))
    stains *= rng.lognormal(0, 0.12, (2, 1)) / np.linalg.norm(stains, axis=1, keepdims=True)
    return SimpleNamespace(
        stains=stains.astype(np.float32),  # (haematoxylin, eosin) x (red, green, blue)
        pixel_size=round(rng.uniform(0.45, 0.6), 4),  # µm
        white=np.clip(rng.uniform(236, 250) + rng.normal(0, 2.5, 3), 0, 253).astype(np.float32),
        blur=rng.uniform(0.5, 1.2),  # µm, width of an edge
        bias=KINDS["bias"].to_numpy() + rng.normal(0, 0.35, len(KINDS)),
        direction=rng.uniform(0, np.pi),  # of the fibres
    )


def _draw(rng, traits, tissue, pixels):
    """The slide as RGB (pixels, pixels, 3), uint8."""
    from PIL import Image, ImageFilter

    # optical densities (base 10) are kept in hundredths, as bytes
    nuclei = _stamp_nuclei(rng, tissue.nuclei, traits, pixels)
    haematoxylin, eosin = (
        np.asarray(
            Image.fromarray(density)
            .filter(ImageFilter.GaussianBlur(traits.blur))
            .resize((pixels, pixels), Image.Resampling.BILINEAR)
        )
        for density in _background(rng, traits.direction, tissue)
    )
    unit = np.float32(np.log(10) / 100)
    rgb = np.empty((pixels, pixels, 3), np.uint8)
    for top in range(0, pixels, TILE):  # in strips, to stay in the processor's cache
        rows = np.s_[top : top + TILE]
        nucleus = nuclei[rows] * unit
        purple = haematoxylin[rows] * unit + nucleus
        pink = eosin[rows] * unit * (1 - 0.2 * np.minimum(nucleus, 2))
        grain = 2 * rng.standard_normal(nucleus.shape, np.float32)
        for channel, (white, stain) in enumerate(zip(traits.white, traits.stains.T, strict=True)):
            light = white * np.exp(-stain[0] * purple - stain[1] * pink)  # Beer-Lambert
            rgb[rows, :, channel] = np.clip(light + grain, 0, 255)
    return rgb


def _background(rng, direction, tissue):
    """Optical densities between nuclei in hundredths, (side, side) each: haematoxylin, eosin."""
    from scipy.ndimage import gaussian_filter

    texture = gaussian_filter(rng.normal(size=(512, 512)), (1.1, 14), mode="wrap")
    texture = (texture / texture.std()).astype(np.float32)
    axis = np.arange(len(tissue.labels), dtype=np.float32)
    cos, sin = np.float32(np.cos(direction)), np.float32(np.sin(direction))
    along = (cos * axis + sin * axis[:, None]).astype(np.int32)
    across = (cos * axis[:, None] - sin * axis + tissue.warp).astype(np.int32)
    haematoxylin, eosin, fibre = (
        np.append(0, KINDS[column]).astype(np.float32)[tissue.labels]
        for column in ("haematoxylin", "eosin", "fibre")
    )
    relief = np.clip(1 + fibre * texture[across % 512, along % 512], 0.05, 2) * ~tissue.hollow
    return [(100 * density * relief).astype(np.uint8) for density in (haematoxylin, eosin)]


def _stamp_nuclei(rng, nuclei, traits, pixels):
    """Optical density of the nuclei in hundredths, (pixels, pixels), uint8."""
    sizes, angles = np.linspace(-2, 2, 7), np.arange(12) * np.pi / 12
    stamps = [
        [[_stamp(rng, kind, size, angle, traits) for angle in angles] for size in sizes]
        for kind in KINDS.itertuples()
    ]
    pad = 64  # px; more than half a stamp, so that none needs clipping
    canvas = np.zeros((pixels + 2 * pad,) * 2, np.uint8)
    size = np.searchsorted((sizes[1:] + sizes[:-1]) / 2, nuclei["size"])
    angle = np.round(nuclei["angle"] / angles[1]).astype(int) % len(angles)
    x, y = (nuclei[["x", "y"]].to_numpy() / traits.pixel_size + pad).astype(int).T
    for i, j, label, s, a in zip(y, x, nuclei["label"], size, angle, strict=True):
        stamp = stamps[label - 1][s][a]
        half = len(stamp) // 2
        window = canvas[i - half : i + half + 1, j - half : j + half + 1]
        np.maximum(window, stamp, out=window)
    return canvas[pad:-pad, pad:-pad]


def _stamp(rng, kind, size, angle, traits):
    """One nucleus: an irregular ellipse with a dark rim and mottled chromatin."""
    from scipy.ndimage import gaussian_filter

    radius, stretch = kind.radius * np.exp(kind.spread * size), kind.elongation**0.5
    half = int(1.5 * radius * stretch / traits.pixel_size) + 3
    x, y = np.meshgrid(*[np.arange(-half, half + 1) * traits.pixel_size] * 2)
    along = (np.cos(angle) * x + np.sin(angle) * y) / stretch
    across = (np.cos(angle) * y - np.sin(angle) * x) * stretch
    turn, phase = np.arctan2(across, along), rng.uniform(0, 2 * np.pi, 2)
    bumps = np.cos(2 * turn + phase[0]) + np.cos(3 * turn + phase[1])
    reach = np.hypot(along, across) / (radius * (1 + 0.5 * kind.spread * bumps))
    chromatin = gaussian_filter(rng.normal(size=x.shape), 0.5 / traits.pixel_size)
    density = kind.darkness * (0.75 + 0.3 * np.minimum(reach, 1) ** 2 + 0.25 * chromatin)
    edge = np.clip((1 - reach) * radius / (traits.blur * stretch) + 0.5, 0, 1)
    return (100 * density * edge).astype(np.uint8)


def cohort_genes(genes, seed, context=False):
    """The cohort's genes, one a row: log abundance, dispersion, and loading on each composition,
    and on `tissue.surroundings`.

    A third mark one kind of tissue, a third mix, and the rest do not depend on the picture; nor do
    the mitochondrial ones, which together make up about 8 % of a spot's counts. With `context`
    every second of the rest depends on what lies around the spot, and is no rare one.
    """
    rng = _rng(seed)
    n_mito = max(1, round(0.05 * genes))
    names = [f"SIM{i:03d}" for i in range(1, genes - n_mito + 1)]
    names += [f"MT-SIM{i}" for i in range(1, n_mito + 1)]
    abundance = rng.normal(0.7, 1.3, genes)
    abundance[-n_mito:] = np.log(0.08 * np.exp(abundance[:-n_mito]).sum() / n_mito)

    marker = np.eye(len(COMPOSITION))[rng.integers(0, len(KINDS), genes)]
    marker *= rng.uniform(2, 4, (genes, 1))
    mixed = rng.normal(0, 1.3, marker.shape)
    sort = rng.integers(0, 3, (genes, 1))
    sort[-n_mito:] = 2
    loadings = np.select([sort == 0, sort == 1], [marker, mixed], 0)
    table = pd.DataFrame(loadings, index=names, columns=COMPOSITION)
    table = table.assign(abundance=abundance, dispersion=rng.uniform(0.05, 0.4, genes), context=0.0)
    if context:
        chosen = np.flatnonzero(sort[:-n_mito, 0] == 2)[::2]
        table.iloc[chosen, table.columns.get_loc("context")] = np.where(chosen % 2, 0.8, -0.8)
        table.iloc[chosen, table.columns.get_loc("abundance")] = abundance[chosen].clip(1.5)
    return table


def _sequence(rng, composition, around, genes):
    """AnnData of raw counts given what is under each spot, and `around` it `(n_spots,)`."""
    import anndata
    from scipy.sparse import csr_matrix

    shape = n_spots, n_genes = len(composition), len(genes)
    abundance, dispersion = genes[["abundance", "dispersion"]].to_numpy().T
    seen = (composition - TYPICAL) @ genes[COMPOSITION].to_numpy().T
    mean = np.exp(abundance + seen + np.outer(around, genes["context"]))

    # STRank's model of a batch: each slide scales the mean and adds ambient transcripts
    scale = rng.lognormal(0, 0.3) * rng.lognormal(0, 0.15, n_genes)
    shift = rng.uniform(0.02, 0.2) * np.exp(abundance)
    rate = rng.lognormal(0, 0.35, (n_spots, 1)) * (scale * mean + shift)
    # a few spots lie on dying cells: little is left but mitochondrial transcripts
    poor = rng.random((n_spots, 1)) < 0.04
    rate *= np.where(poor, np.where(genes.index.str.startswith("MT-"), 0.24, 0.03), 1)
    # a gamma mixture of Poissons is negative binomial
    counts = rng.poisson(rate * rng.gamma(1 / dispersion, dispersion, shape))
    counts[rng.random(shape) < 0.05] = 0  # dropout
    return anndata.AnnData(
        csr_matrix(counts.astype(np.float32)),
        var=pd.DataFrame(index=genes.index),
        layers={"noise_free": mean.astype(np.float32)},
    )


def _locate(adata, spots, rgb, pixel_size):
    """Add names and positions of spots, and the downscaled slide, as HEST-1k does."""
    from PIL import Image

    centres = spots[["x", "y"]].to_numpy() / pixel_size
    names = [f"{row:03d}x{col:03d}" for row, col in zip(spots["row"], spots["col"], strict=True)]
    adata.obs = pd.DataFrame(
        {
            "in_tissue": 1,
            "array_col": spots["col"].to_numpy(),
            "array_row": spots["row"].to_numpy(),
            "pxl_col_in_fullres": centres[:, 0],
            "pxl_row_in_fullres": centres[:, 1],
        },
        index=names,
    )
    adata.obsm["spatial"] = centres
    image = Image.fromarray(rgb)
    image.thumbnail((1000, 1000))
    scales = {
        "spot_diameter_fullres": DIAMETER / pixel_size,
        "tissue_downscaled_fullres_scalef": image.width / rgb.shape[1],
    }
    images = {"downscaled_fullres": np.asarray(image)}
    adata.uns["spatial"] = {"ST": {"images": images, "scalefactors": scales}}


def write_pyramid(path, rgb, pixel_size):
    """Write `rgb` as a tiled TIFF with levels 1, 2, 4 and 8, compressed as JPEG."""
    import tifffile
    from PIL import Image

    with tifffile.TiffWriter(path) as tiff:
        for downsample in (1, 2, 4, 8):
            pixels = np.asarray(Image.fromarray(rgb).reduce(downsample))
            tiff.write(
                _jpeg_tiles(pixels),
                shape=pixels.shape,
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="adobe_deflate",
                resolution=(1e4 / pixel_size / downsample,) * 2,
                resolutionunit="centimeter",
                subfiletype=int(downsample > 1),
            )
    # tifffile offers JPEG only beside imagecodecs, though tiles that come compressed do not need
    # it; so it was told of another compression, which is put right here
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for page in tiff.pages:
            page.tags["Compression"].overwrite(tifffile.COMPRESSION.JPEG)
            page.tags["PhotometricInterpretation"].overwrite(tifffile.PHOTOMETRIC.YCBCR)


def _jpeg_tiles(pixels):
    from PIL import Image

    height, width, _ = pixels.shape
    # edge tiles go on with the edge's colours, for JPEG smears what lies beyond into the slide
    padded = np.pad(pixels, ((0, -height % TILE), (0, -width % TILE), (0, 0)), mode="edge")
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            stream = io.BytesIO()
            tile = Image.fromarray(padded[top : top + TILE, left : left + TILE])
            tile.save(stream, "JPEG", quality=85)
            yield stream.getvalue()
