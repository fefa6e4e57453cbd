cwlVersion: v1.2
class: CommandLineTool
label: On either
doc: Has a method for GPUs; says which it got, and where.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    queue:
      cores: 1
      memory_mb: 200
      grows:
        - {input: on_gpu, by: value, gpus: 1}
    results:
      - {output: said, viewer: text, title: What it got}
baseCommand: [sh, -c, 'echo "GPU $CUDA_VISIBLE_DEVICES in $SLURM_JOB_PARTITION"']
stdout: said.txt
inputs:
  on_gpu: {type: boolean, default: false}
outputs:
  said: {type: File, outputBinding: {glob: said.txt}}
