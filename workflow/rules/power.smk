rule power:
    log:
        f"logs/{study.name}/power.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        # of an earlier run: nothing is computed for a plan
        comparisons=f"results/{study.name}/tables/comparisons.tsv",
        table=f"results/{study.name}/tables/power.tsv",
    script:
        "../scripts/power.py"
