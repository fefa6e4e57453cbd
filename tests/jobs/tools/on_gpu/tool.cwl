cwlVersion: v1.2
class: CommandLineTool
label: On a GPU
doc: Wants a GPU, and more of everything with more files.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    queue:
      cores: 1
      memory_mb: 500
      wall_seconds: 60
      gpu: true
      tasks: ranks
      grows:
        - {input: files, by: files, memory_mb: 100, wall_seconds: 60}
baseCommand: ["true"]
inputs:
  files: {type: "File[]?", inputBinding: {position: 1}}
  ranks: {type: int?}
outputs: {}
