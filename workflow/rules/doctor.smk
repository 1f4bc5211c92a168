rule plan:
    log:
        f"logs/{study.name}/plan.log",
    localrule: True
    conda:
        "../../envs/embed.yaml"
    params:
        hub_files=study.hub_files,
        encoders=study.encoders,
    script:
        "../scripts/plan.py"


rule doctor:
    log:
        f"logs/{study.name}/doctor.log",
    localrule: True
    conda:
        "../../envs/embed.yaml"
    params:
        encoders=study.encoders,
        patches=study.config["patches"],
    script:
        "../scripts/doctor.py"
