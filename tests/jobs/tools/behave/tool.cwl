cwlVersion: v1.2
class: CommandLineTool
label: Behave
doc: Does what it is told, for tests.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  SoftwareRequirement:
    packages:
      behaviour: {version: ["1.0"]}
      Manners: {version: ["1.1"]}
  portolan:Form:
    queue: {cores: 1, memory_mb: 200}
    results:
      - {output: report, viewer: text, title: Report}
      - {output: parts, viewer: text, title: Parts}
baseCommand: [python3]
inputs:
  script:
    type: File
    default: {class: File, location: behave.py}
    inputBinding: {position: 0}
  act: {type: string, inputBinding: {position: 1}}
  data: {type: File?, inputBinding: {position: 2, prefix: --data}}
  seconds: {type: float?, inputBinding: {position: 2, prefix: --seconds}}
  text: {type: string?, inputBinding: {position: 2, prefix: "--text=", separate: false}}
outputs:
  report: {type: File, outputBinding: {glob: report.txt}}
  parts: {type: "File[]", outputBinding: {glob: "part-*.txt"}}
