cwlVersion: v1.2
class: CommandLineTool
label: Quiet
doc: Complains into a file of its own, for tests.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    queue: {cores: 1, memory_mb: 200}
baseCommand: [python3]
inputs:
  script:
    type: File
    default: {class: File, location: ../behave/behave.py}
    inputBinding: {position: 0}
  act: {type: string, inputBinding: {position: 1}}
outputs:
  words: {type: File, outputBinding: {glob: own.log}}
stderr: own.log
