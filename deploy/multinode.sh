#!/usr/bin/env bash
# One training over several machines that see the same workspace and the same state root.
#
#   first machine:  deploy/multinode.sh lead pretrain 2 $(hostname):29400
#   each other:     deploy/multinode.sh join pretrain 2 FIRST_MACHINE:29400
#
# Run in the workspace. The first one is DVC's: it records, saves and publishes. ESRGAN_RANKS is the
# number of processes of a machine, else there is one per GPU.
set -euo pipefail
role=$1 stage=$2 nodes=$3 meet=$4
case $role in
    lead)
        ESRGAN_NODES=$nodes ESRGAN_RENDEZVOUS=$meet exec dvc repro --single-item "$stage"
        ;;
    join)
        exec torchrun --nnodes "$nodes" --nproc-per-node "${ESRGAN_RANKS:-gpu}" \
            --rdzv-backend c10d --rdzv-endpoint "$meet" --rdzv-id "esrgan-$stage" \
            -m "pipelines.stages.$stage"
        ;;
    *)
        echo "$role is neither lead nor join" >&2
        exit 2
        ;;
esac
