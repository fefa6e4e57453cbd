cwlVersion: v1.2
class: CommandLineTool
label: Copied
doc: Counts the files of a folder, so that copying its inputs can be measured.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    sample: {}
    queue: {cores: 1, memory_mb: 64}
    results:
      - {output: said, viewer: text, title: Files}
baseCommand: [find]
inputs:
  data: {type: Directory, inputBinding: {position: 1}}
stdout: said.txt
outputs:
  said: {type: stdout}
