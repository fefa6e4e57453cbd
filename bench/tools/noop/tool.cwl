cwlVersion: v1.2
class: CommandLineTool
label: No-op
doc: Does nothing, so that what the gateway adds can be measured.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    sample: {word: done}
    queue: {cores: 1, memory_mb: 64}
    results:
      - {output: said, viewer: text, title: What it said}
baseCommand: [echo]
inputs:
  word: {type: string, inputBinding: {position: 1}}
stdout: said.txt
outputs:
  said: {type: stdout}
