# drawn whenever it is asked for: other studies may have written to the ledger, too
rule leaderboard:
    input:
        rules.ledger.output if study.cohorts else [],
    log:
        f"logs/{study.name}/leaderboard.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        ledger=study.config["ledger"],
        page="results/leaderboard.html",
        table="results/leaderboard.tsv",
    script:
        "../scripts/leaderboard.py"
