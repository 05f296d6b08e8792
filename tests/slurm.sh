#!/bin/bash
# A SLURM cluster of this machine alone, for tests: slurm.sh start FOLDER | slurm.sh stop FOLDER
#
# Needs root, and Debian's slurm-wlm and munge. All files lie in FOLDER; SLURM_CONF names its
# configuration for sbatch and the others.
set -eu
folder=$2
conf=$folder/slurm.conf
case $1 in
start)
    mkdir -p "$folder" /run/munge
    chown munge:munge /run/munge
    host=$(hostname)
    memory=$(awk '/MemTotal/ {print int($2 / 2048)}' /proc/meminfo)
    cat > "$conf" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=requeue_delay=0,batch_sched_delay=0,sched_min_interval=0,bf_interval=1,sched_interval=1
PreemptMode=REQUEUE
PreemptType=preempt/partition_prio
SlurmctldParameters=preempt_send_user_signal
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=high Nodes=ALL Default=NO MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
END
    mkdir -p "$folder/state" "$folder/spool"
    runuser -u munge -- /usr/sbin/munged --force --pid-file=/run/munge/munged.pid
    /usr/sbin/slurmctld -f "$conf" -c
    export SLURM_CONF=$conf
    for _ in $(seq 100); do scontrol ping > /dev/null && break || sleep 0.1; done
    /usr/sbin/slurmd -f "$conf" -N "$host"
    timeout 60 srun -p low hostname > "$folder/hostname"
    ;;
stop)
    for _ in $(seq 100); do  # what has just handed in its result ends by itself
        [ -n "$(squeue --noheader || true)" ] && sleep 0.1 || break
    done
    for file in "$folder/slurmd.pid" "$folder/slurmctld.pid" /run/munge/munged.pid; do
        [ -f "$file" ] && kill "$(cat "$file")" || true
    done
    ;;
esac
