cwlVersion: v1.2
class: CommandLineTool
label: Tally
doc: Counts letters, for tests of jobs that are split.
$namespaces: {portolan: "https://portolan.science/cwl#"}
hints:
  portolan:Form:
    queue: {cores: 2, memory_mb: 400}
    results:
      - {output: rows, viewer: table, title: Rows}
  portolan:Scatter:
    over: files
    least: 2
    most: 3
    queue: {cores: 1, memory_mb: 200, grows: [{input: files, by: files, wall_seconds: 60}]}
    merge: merge.cwl
baseCommand: [python3]
inputs:
  script:
    type: File
    default: {class: File, location: tally.py}
    inputBinding: {position: 0}
  files: {type: "File[]", inputBinding: {position: 1}}
outputs:
  rows: {type: File, outputBinding: {glob: rows.csv}}
  copies: {type: "File[]", outputBinding: {glob: "copies/*"}}
