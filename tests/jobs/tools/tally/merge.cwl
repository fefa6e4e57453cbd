cwlVersion: v1.2
class: CommandLineTool
baseCommand: [python3]
inputs:
  script:
    type: File
    default: {class: File, location: merge.py}
    inputBinding: {position: 0}
  parts: {type: "Directory[]", inputBinding: {position: 1}}
outputs: []
