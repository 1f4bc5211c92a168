SLIDE = f"{predicted.folder}/{{slide}}"


rule lay:
    input:
        slide=lambda wildcards: predicted.slides[wildcards.slide],
        bundle=ancient(predicted.about),
        given=lambda wildcards: predicted.files(wildcards.slide),
    output:
        patches=f"{SLIDE}/patches.parquet",
        tissue=f"{SLIDE}/tissue.geojson",
    log:
        f"logs/{study.name}/predict/{{slide}}.lay.log",
    conda:
        "../../envs/predict.yaml"
    resources:
        mem_mb=memory(4000, 0),
        runtime=minutes(60),
    params:
        geometry=lambda wildcards, input: predicted.told(input.bundle)["patches"],
        um_per_px=lambda wildcards: predicted.um_per_px(wildcards.slide),
        stride_um=predicted.options.get("stride_um"),
        min_tissue=predicted.options.get("min_tissue"),
        given=lambda wildcards: predicted.given(wildcards.slide),
    script:
        "../scripts/lay.py"


rule embed_slide:
    input:
        unpack(lambda wildcards: predicted.patch_file(wildcards.slide)),
        slide=lambda wildcards: predicted.slides[wildcards.slide],
        patches=rules.lay.output.patches,
        # trained anew, it takes the same embeddings
        bundle=ancient(predicted.about),
        weights=lambda wildcards: predicted.weights(),
    output:
        f"{SLIDE}/embeddings.h5",
    log:
        f"logs/{study.name}/predict/{{slide}}.embed.log",
    conda:
        "../../envs/predict.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, input, attempt: attempt
        * (16000 if predicted.uses_gpu(input.bundle) else 4000),
        runtime=minutes(480),
        gpu=lambda wildcards, input: predicted.uses_gpu(input.bundle),
    params:
        weights=predicted.options.get("weights"),
        batch_size=lambda wildcards, input: predicted.batch_size(input.bundle),
        made_by=lambda wildcards, input: predicted.made_by(input.bundle),
    script:
        "../scripts/embed_slide.py"


rule predict_slide:
    input:
        unpack(lambda wildcards: predicted.patch_file(wildcards.slide)),
        slide=lambda wildcards: predicted.slides[wildcards.slide],
        patches=rules.lay.output.patches,
        tissue=rules.lay.output.tissue,
        embeddings=lambda wildcards: as_list(
            predicted.given(wildcards.slide).get("embeddings", rules.embed_slide.output)
        ),
        bundle=[f"{predicted.bundle}/{name}" for name in prediction.BUNDLE],
    output:
        **(
            {"zarr": directory(f"{SLIDE}/spatialdata.zarr")}
            if predicted.options.get("spatialdata")
            else {}
        ),
        h5ad=f"{SLIDE}/predictions.h5ad",
        geojson=f"{SLIDE}/patches.geojson",
        overview=f"{SLIDE}/overview.png",
        maps=f"{SLIDE}/maps.png",
        about=f"{SLIDE}/slide.json",
    log:
        f"logs/{study.name}/predict/{{slide}}.log",
    conda:
        "../../envs/predict.yaml"
    threads: 2
    resources:
        mem_mb=memory(4000, 0),
        runtime=minutes(120),
    params:
        genes=predicted.options.get("genes"),
        code=code_hash("predict"),
    script:
        "../scripts/predict.py"


rule predict:
    input:
        expand(rules.predict_slide.output, slide=predicted.slides),
