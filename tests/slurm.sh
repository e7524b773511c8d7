#!/usr/bin/env bash
# A real SLURM of one node on this machine, for tests: no systemd, no accounting, loopback only.
#
#   tests/slurm.sh install   Debian's packages
#   tests/slurm.sh start     munged, slurmctld, slurmd; returns once the node is idle
#   tests/slurm.sh stop      ends what `start` started, by process id
#
# Needs root. It has a GPU in name only, and three partitions: `cpu` and `gpu`, as in workflow/profiles/slurm, and
# `urgent`, whose jobs preempt theirs: SIGTERM, GraceTime seconds to finish, then SIGKILL and back into the queue.
set -euo pipefail

STATE=${DRAGOMAN_SLURM_STATE:-/var/tmp/dragoman-slurm}
ETC=/etc/slurm # snakemake's jobs drop SLURM_CONF, so the configuration must stand where SLURM looks for it
MARK="# written by dragoman's tests/slurm.sh"
HOST=$(hostname -s)

main() {
  case "${1:-}" in
    install | start | stop) "$1" ;;
    *)
      echo "usage: tests/slurm.sh install|start|stop" >&2
      exit 2
      ;;
  esac
}

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

start() {
  if [ -e $ETC/slurm.conf ] && ! grep -qxF "$MARK" $ETC/slurm.conf; then
    echo "$ETC/slurm.conf is not ours: this machine has a SLURM of its own" >&2
    exit 1
  fi
  stop
  rm -rf "$STATE"
  mkdir -p "$STATE"/{ctld,d,log} $ETC
  : >"$STATE/pids"
  configure
  if ! munge --no-input >/dev/null 2>&1; then
    for folder in /run/munge:755 /etc/munge:700 /var/log/munge:700 /var/lib/munge:700; do
      command install -d -o munge -g munge -m "${folder#*:}" "${folder%:*}"
    done
    if [ ! -s /etc/munge/munge.key ]; then
      head -c 1024 /dev/urandom >/etc/munge/munge.key
      chown munge:munge /etc/munge/munge.key
      chmod 400 /etc/munge/munge.key
    fi
    begin munged runuser -u munge -- munged --foreground
    until_true munge --no-input
  fi
  begin slurmctld slurmctld -D -c
  begin slurmd slurmd -D -c -N "$HOST"
  until_true node_is_idle
}

configure() {
  # More CPUs than there are, so that small jobs need not wait for each other; a credential's life is also how long a
  # preempted job waits before it may start again, 2 minutes by default.
  cat >$ETC/slurm.conf <<CONF
$MARK
ClusterName=dragoman
SlurmctldHost=$HOST(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CredType=cred/munge
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/d
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/log/slurmctld.log
SlurmdLogFile=$STATE/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MinJobAge=600
KillWait=2
GresTypes=gpu
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=8 RealMemory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) Gres=gpu:1
PartitionName=cpu Nodes=$HOST Default=YES PriorityTier=1 GraceTime=3
PartitionName=gpu Nodes=$HOST PriorityTier=1 GraceTime=3
PartitionName=urgent Nodes=$HOST PriorityTier=10 PreemptMode=OFF
CONF
  printf '%s\nNodeName=%s Name=gpu File=/dev/null\n' "$MARK" "$HOST" >$ETC/gres.conf
  rm -f $ETC/cgroup.conf
}

begin() { # NAME COMMAND...: a daemon of its own session, so that nobody's Ctrl-C ends it
  local name=$1
  shift
  setsid "$@" </dev/null >"$STATE/log/$name.out" 2>&1 &
  echo $! >>"$STATE/pids"
}

node_is_idle() { sinfo --noheader --partition cpu --format %T | grep -qx idle; }

until_true() {
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "no SLURM after a minute: $* fails" >&2
  tail -n 20 "$STATE"/log/* >&2
  stop
  exit 1
}

alive() { # whether a daemon of ours still runs
  local pid
  while read -r pid; do kill -0 "$pid" 2>/dev/null && return; done <"$STATE/pids"
  return 1
}

stop() {
  [ -e "$STATE/pids" ] || return 0
  scancel --user="$(id -un)" 2>/dev/null || true
  for _ in $(seq 25); do
    [ -z "$(squeue --noheader 2>/dev/null)" ] && break
    sleep 0.2
  done
  tac "$STATE/pids" | xargs -r kill 2>/dev/null || true
  for _ in $(seq 25); do
    alive || break
    sleep 0.2
  done
  ! alive || xargs -r kill -9 <"$STATE/pids" 2>/dev/null || true
  rm -f "$STATE/pids" $ETC/slurm.conf $ETC/gres.conf
}

main "$@"
