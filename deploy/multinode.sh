#!/usr/bin/env bash
# One training over several machines that share the workspace and the state root.
#
#   first machine:  deploy/multinode.sh lead pretrain 2 $(hostname):29400
#   every other:    deploy/multinode.sh join pretrain 2 FIRST_MACHINE:29400
#
# The training is pretrain, finetune, or one of `make baselines` such as srresnet. Run the script in the
# workspace. The first machine runs DVC: it records, saves and publishes. ESRGAN_RANKS is the number of
# processes per machine; the default is one per GPU.
set -euo pipefail
role=$1 stage=$2 nodes=$3 meet=$4
if [ -f "pipelines/baselines/$stage.py" ]; then
    package=pipelines.baselines
    repro=(python -m pipelines.baselines --single-item)
else
    package=pipelines.stages
    repro=(dvc repro --single-item)
fi
case $role in
    lead)
        ESRGAN_NODES=$nodes ESRGAN_RENDEZVOUS=$meet exec "${repro[@]}" "$stage"
        ;;
    join)
        exec torchrun --nnodes "$nodes" --nproc-per-node "${ESRGAN_RANKS:-gpu}" \
            --rdzv-backend c10d --rdzv-endpoint "$meet" --rdzv-id "esrgan-$stage" \
            -m "$package.$stage"
        ;;
    *)
        echo "$role is neither lead nor join" >&2
        exit 2
        ;;
esac
