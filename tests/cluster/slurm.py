"""A SLURM cluster on loopback: one node of six CPUs, whose two GPUs are files."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd")
SLURM = """
ClusterName=spotrank
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
ReturnToService=2
MinJobAge=3600
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=here NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=6 RealMemory=64000 Gres=gpu:fake:2
PartitionName=cpu Nodes=here Default=YES State=UP
PartitionName=gpu Nodes=here State=UP
"""
NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
"""
GPUS = """
NodeName=here Name=gpu Type=fake File=/dev/null
NodeName=here Name=gpu Type=fake File=/dev/zero
"""
DATABASE = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={dbd_port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


@contextmanager
def cluster(folder, accounting=False):
    """Start a cluster, with an accounting database or without; stop all of it at the end.

    Yields the environment variables that make this process's children its users.
    """
    ports = dict(zip(("ctld_port", "slurmd_port", "dbd_port"), free_ports(3), strict=True))
    conf = SLURM + (ACCOUNTING if accounting else NO_ACCOUNTING)
    for name, text in (("slurm", conf), ("gres", GPUS), ("slurmdbd", DATABASE)):
        (folder / f"{name}.conf").write_text(text.format(folder=folder, **ports))
        (folder / f"{name}.conf").chmod(0o600)
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    # a job's step is started without any SLURM_ variable, so without the way to this cluster
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    env = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{os.environ['PATH']}"}

    def ask(*command):
        return subprocess.run(
            command, env=os.environ | env, capture_output=True, text=True, check=False
        )

    with ExitStack() as stack:

        def daemon(*command, **more):
            stack.enter_context(running(command, folder / f"{command[0]}.log", env | more))

        names = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
        files = [f"--{option}={folder}/munge.{name}" for option, name in names.items()]
        daemon("munged", "--foreground", "--force", *files)
        wait_for((folder / "munge.socket").exists, "munged")
        if accounting:
            database = folder / "database"
            install = (shutil.which("mariadb-install-db"), "--no-defaults", "--user=root")
            options = (f"--datadir={database}", "--auth-root-authentication-method=normal")
            subprocess.run([*install, *options], check=True, capture_output=True)
            daemon(
                *("mariadbd", "--no-defaults", "--user=root", "--skip-networking"),
                *(f"--datadir={database}", f"--socket={folder}/database.socket"),
            )
            wait_for((folder / "database.socket").exists, "mariadbd")
            daemon(
                *("slurmdbd", "-D"),
                SLURM_CONF=f"{folder}/slurmdbd.conf",
                MYSQL_UNIX_PORT=f"{folder}/database.socket",
            )
            wait_for(
                lambda: (
                    ask("sacctmgr", "--immediate", "add", "cluster", "spotrank").returncode == 0
                ),
                "slurmdbd",
            )
            ask("sacctmgr", "--immediate", "add", "account", "lab")
            ask("sacctmgr", "--immediate", "add", "user", "root", "account=lab")
        daemon("slurmctld", "-D", "-f", f"{folder}/slurm.conf")
        daemon("slurmd", "-D", "-N", "here", "-f", f"{folder}/slurm.conf")
        wait_for(lambda: "idle" in ask("sinfo", "--noheader", "--format=%T").stdout, "slurmd")
        try:
            yield env
        finally:
            ask("scancel", "--user=root")
            wait_for(lambda: not ask("squeue", "--noheader").stdout.strip(), "squeue", fail=False)


@contextmanager
def running(command, log, env):
    """A process that lives as long as the block."""
    with open(log, "w") as stream:
        process = subprocess.Popen(command, env=os.environ | env, stdout=stream, stderr=stream)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


def wait_for(condition, what, seconds=60, fail=True):
    """Return what `condition` gives once it is true; an error after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            if fail:
                raise TimeoutError(f"{what}: not after {seconds} s")
            return found
        time.sleep(0.2)
    return found
